/* SPDX-License-Identifier: MIT */
/*
 * config_check.c: the first pass over a configuration, its structure: comments are blanked out and every
 * statement is looked up. What is unknown, of the wrong form, missing or given twice is
 * told here, and unknown statements are blanked out. Values are left to the second pass (config.c).
 *
 * This is why all errors are told and not only the first. And libconfuse 3.3 alone counts a line with a
 * comment twice, refuses comments inside lists, replaces ${VARIABLES}, drops characters that it does not
 * know, and stays inside a string that was not closed until the next file it reads.
 */
#include "daemon/config_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum token_kind {
	TOKEN_END,
	TOKEN_WORD, /* quoted or not */
	TOKEN_EQUALS,
	TOKEN_APPEND,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_COMMA
};

struct token {
	enum token_kind kind;
	int line;
	char *start; /* in the text, quotes included */
	char word[CONFIG_NAME_SIZE];
};

/* What may stand in a word without quotes. Everything that has a value here can be written with it. */
static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("._:%@-", c));
}

static void blank(char *from, const char *to)
{
	for (; from < to; from++)
		if (*from != '\n')
			*from = ' ';
}

/* Blanks out the comment at rd->at. */
static bool pass_comment(struct reader *rd)
{
	bool block = rd->at[0] == '/' && rd->at[1] == '*';
	char *end = block ? strstr(rd->at + 2, "*/") : strchrnul(rd->at, '\n');

	if (!end) {
		config_problem(rd, rd->line, "a comment starts here and does not end: expected */");
		return false;
	}
	if (block)
		end += 2;
	for (const char *p = rd->at; p < end; p++)
		rd->line += *p == '\n';
	blank(rd->at, end);
	rd->at = end;
	return true;
}

static bool at_comment(const char *at)
{
	return *at == '#' || (at[0] == '/' && (at[1] == '/' || at[1] == '*'));
}

static bool pass_blanks(struct reader *rd)
{
	for (;;) {
		if (at_comment(rd->at)) {
			if (!pass_comment(rd))
				return false;
		} else if (*rd->at == '\n') {
			rd->line++;
			rd->at++;
		} else if (rd->at[0] == '\r' && rd->at[1] == '\n') {
			*rd->at++ = ' ';
		} else if (*rd->at == ' ' || *rd->at == '\t') {
			rd->at++;
		} else {
			return true;
		}
	}
}

static bool keep_word(struct reader *rd, const char *start, size_t len, struct token *token)
{
	if (len >= sizeof(token->word)) {
		config_problem(rd, rd->line, "\"%.16s...\" is longer than %zu bytes", start,
			       sizeof(token->word) - 1);
		return false;
	}
	memcpy(token->word, start, len);
	token->word[len] = '\0';
	return true;
}

/* A string has no escapes and no variables, and ends on its line. */
static bool quoted_token(struct reader *rd, struct token *token)
{
	char quote = *rd->at++;
	const char *start = rd->at;

	for (; *rd->at != quote; rd->at++) {
		unsigned char c = (unsigned char)*rd->at;

		if (c == '\0' || c == '\n') {
			config_problem(rd, rd->line, "a string is not closed: expected %c", quote);
			return false;
		}
		if (c < 0x20 || c == 0x7f || c == '\\' || (c == '$' && rd->at[1] == '{')) {
			config_problem(
				rd, rd->line,
				"a string holds control characters, a backslash or ${: none has a meaning here");
			return false;
		}
	}
	return keep_word(rd, start, (size_t)(rd->at++ - start), token);
}

static bool bare_token(struct reader *rd, struct token *token)
{
	const char *start = rd->at;

	while (is_bare(*rd->at))
		rd->at++;
	return keep_word(rd, start, (size_t)(rd->at - start), token);
}

/* Takes one token; false after an error that it has told. */
static bool next_token(struct reader *rd, struct token *ret_token)
{
	static const char marks[] = "={},";
	static const enum token_kind kinds[] = { TOKEN_EQUALS, TOKEN_OPEN, TOKEN_CLOSE,
						 TOKEN_COMMA };
	const char *mark;

	if (!pass_blanks(rd))
		return false;
	*ret_token = (struct token){ .kind = TOKEN_WORD, .line = rd->line, .start = rd->at };
	if (*rd->at == '\0') {
		ret_token->kind = TOKEN_END;
		return true;
	}
	mark = strchr(marks, *rd->at);
	if (mark) {
		ret_token->kind = kinds[mark - marks];
		rd->at++;
		return true;
	}
	if (rd->at[0] == '+' && rd->at[1] == '=') {
		ret_token->kind = TOKEN_APPEND;
		rd->at += 2;
		return true;
	}
	if (*rd->at == '"' || *rd->at == '\'')
		return quoted_token(rd, ret_token);
	if (is_bare(*rd->at))
		return bare_token(rd, ret_token);
	if (*rd->at > ' ' && *rd->at <= '~')
		config_problem(rd, rd->line, "unexpected character \"%c\"", *rd->at);
	else
		config_problem(rd, rd->line, "unexpected byte 0x%02x", (unsigned char)*rd->at);
	return false;
}

/* Passes the rest of a list after its opening brace: words with commas between them. */
static bool pass_list(struct reader *rd, const char *name, size_t *ret_items)
{
	struct token token;
	size_t items = 0;

	do {
		if (!next_token(rd, &token))
			return false;
		if (token.kind == TOKEN_WORD) {
			items++;
			if (!next_token(rd, &token))
				return false;
		} else if (token.kind == TOKEN_COMMA) {
			break;
		}
	} while (token.kind == TOKEN_COMMA);
	if (token.kind != TOKEN_CLOSE) {
		config_problem(rd, token.line, "expected a list of names with commas for \"%s\"",
			       name);
		return false;
	}
	*ret_items = items;
	return true;
}

/* Passes the rest of a section up to its closing brace. */
static bool pass_section(struct reader *rd, const struct token *name)
{
	struct token token;

	for (int depth = 1; depth > 0;) {
		if (!next_token(rd, &token))
			return false;
		if (token.kind == TOKEN_END) {
			config_problem(rd, name->line, "section \"%s\" is not closed: expected }",
				       name->word);
			return false;
		}
		depth += token.kind == TOKEN_OPEN;
		depth -= token.kind == TOKEN_CLOSE;
	}
	return true;
}

/* A statement as it stands, before it is known what it should be. */
struct statement {
	struct token name;
	struct token title; /* start NULL: none */
	enum shape shape;
	bool appends;
	size_t items; /* of a list */
};

/* Reads what follows = or +=. */
static bool read_value(struct reader *rd, struct statement *st)
{
	struct token token;

	if (!next_token(rd, &token))
		return false;
	if (token.kind == TOKEN_OPEN) {
		st->shape = SHAPE_LIST;
		return pass_list(rd, st->name.word, &st->items);
	}
	if (token.kind != TOKEN_WORD) {
		config_problem(rd, token.line, "expected a value for \"%s\"", st->name.word);
		return false;
	}
	st->shape = st->appends ? SHAPE_LIST : SHAPE_VALUE;
	st->items = 1;
	return true;
}

/* Reads a statement after its name: a value to its end, a section to its opening brace. */
static bool read_statement(struct reader *rd, struct statement *st)
{
	struct token token;

	if (!next_token(rd, &token))
		return false;
	if (token.kind == TOKEN_EQUALS || token.kind == TOKEN_APPEND) {
		st->appends = token.kind == TOKEN_APPEND;
		return read_value(rd, st);
	}
	st->shape = SHAPE_SECTION;
	if (token.kind == TOKEN_WORD) {
		st->shape = SHAPE_TITLED;
		st->title = token;
		if (!next_token(rd, &token))
			return false;
	}
	if (token.kind != TOKEN_OPEN) {
		config_problem(rd, token.line, "expected %s after \"%s\"",
			       st->title.start ? "{" : "= or {",
			       st->title.start ? st->title.word : st->name.word);
		return false;
	}
	return true;
}

/* A list of one may be written without braces. */
static bool fits(const struct key *key, const struct statement *st)
{
	return key->shape == st->shape || (key->shape == SHAPE_LIST && st->shape == SHAPE_VALUE);
}

static const struct key *find_fitting(const struct section *section, const struct statement *st)
{
	for (size_t i = 0; i < section->count; i++)
		if (fits(&section->keys[i], st) &&
		    strcmp(section->keys[i].name, st->name.word) == 0)
			return &section->keys[i];
	return NULL;
}

static const char *shape_example(enum shape shape)
{
	switch (shape) {
	case SHAPE_VALUE:
		return " = VALUE";
	case SHAPE_LIST:
		return " = {NAME, ...}";
	case SHAPE_SECTION:
		return " { ... }";
	case SHAPE_TITLED:
		return " NAME { ... }";
	}
	return "";
}

static void tell_misfit(struct reader *rd, const struct section *section, const char *prefix,
			const struct token *name)
{
	const struct key *key = config_key(section, name->word);
	char known[400] = "";
	size_t len = 0;

	if (key) {
		config_problem(rd, name->line, "%sexpected %s%s", prefix, key->name,
			       shape_example(key->shape));
		return;
	}
	for (size_t i = 0; i < section->count && len < sizeof(known); i++)
		if (config_key(section, section->keys[i].name) == &section->keys[i])
			len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
						i ? ", " : "", section->keys[i].name);
	config_problem(rd, name->line, "%sunknown key \"%s\": expected one of %s", prefix,
		       name->word, known);
}

static void check_title(struct reader *rd, const struct key *key, const char *prefix,
			const struct token *title)
{
	if (!config_is_interface(title->word)) {
		config_problem(rd, title->line, "%s%s: expected %s, not \"%s\"", prefix, key->name,
			       key->title_expected ? key->title_expected
						   : CONFIG_INTERFACE_EXPECTED,
			       title->word);
		return;
	}
	for (size_t i = 0; i < rd->titled_count; i++)
		if (rd->titled[i].key == key && strcmp(rd->titled[i].title, title->word) == 0)
			config_problem(rd, title->line, "%s%s %s: given twice", prefix, key->name,
				       title->word);
	if (rd->titled_count == CONFIG_TITLED_MAX) {
		config_problem(rd, title->line, "%s%s %s: expected at most %d such sections",
			       prefix, key->name, title->word, CONFIG_TITLED_MAX);
		return;
	}
	rd->titled[rd->titled_count].key = key;
	memcpy(rd->titled[rd->titled_count].title, title->word, sizeof(title->word));
	rd->titled_count++;
}

/* Tells what is wrong with a statement of a known key and the right form, apart from its value. */
static void check_known(struct reader *rd, const struct key *key, const char *prefix,
			const struct statement *st)
{
	int line = st->name.line;

	if (st->shape == SHAPE_TITLED)
		check_title(rd, key, prefix, &st->title);
	if (st->shape == SHAPE_LIST && st->items == 0 && key->not_empty)
		config_problem(rd, line,
			       "%s%s: the list is empty: name one at least, or leave the key out",
			       prefix, key->name);
	if (key->section == &config_marking)
		rd->marking_is_section = true;
}

/* What += adds to, and sections with titles, are given several times on purpose. */
static bool tell_repeated(struct reader *rd, const struct section *section, const char *prefix,
			  const struct statement *st, int first_lines[static CONFIG_KEYS_MAX])
{
	const struct key *key = config_key(section, st->name.word);
	int *first_line = &first_lines[key - section->keys];

	if (*first_line == 0) {
		*first_line = st->name.line;
		return false;
	}
	if (st->appends || st->shape == SHAPE_TITLED)
		return false;
	config_problem(rd, st->name.line, "%s%s: given twice, first on line %d", prefix, key->name,
		       *first_line);
	return true;
}

static bool check_section(struct reader *rd, const struct section *section,
			  const struct token *name, const char *title);

/* False if the text makes no sense from here on. A statement with no place is told and blanked out. */
static bool check_statement(struct reader *rd, const struct section *section, const char *prefix,
			    const struct token *name, int first_lines[static CONFIG_KEYS_MAX])
{
	struct statement st = { .name = *name };
	const struct key *key;

	if (!read_statement(rd, &st))
		return false;
	key = find_fitting(section, &st);
	if (!key)
		tell_misfit(rd, section, prefix, name);
	if (!key || tell_repeated(rd, section, prefix, &st, first_lines)) {
		if (config_is_section(st.shape) && !pass_section(rd, name))
			return false;
		blank(name->start, rd->at);
		return true;
	}
	check_known(rd, key, prefix, &st);
	if (config_is_section(st.shape))
		return check_section(rd, key->section, name, st.title.word);
	return true;
}

static void check_required(struct reader *rd, const struct section *section, const char *prefix,
			   size_t index, int section_line,
			   const int first_lines[static CONFIG_KEYS_MAX])
{
	const struct key *key = &section->keys[index];
	int line = first_lines[index], other_line = 0;

	if (key->instead)
		other_line = first_lines[config_key(section, key->instead) - section->keys];
	if (line != 0 && other_line != 0)
		config_problem(rd, line > other_line ? line : other_line,
			       "%sexpected %s or %s, not both", prefix, key->name, key->instead);
	else if (line == 0 && other_line == 0)
		config_problem(rd, section_line, "%s%s is missing: expected %s", prefix, key->name,
			       key->expected);
}

/* Checks the statements of a section, its closing brace included; false if the rest makes no sense. */
static bool check_section(struct reader *rd, const struct section *section,
			  const struct token *name, const char *title)
{
	int first_lines[CONFIG_KEYS_MAX] = { 0 };
	char prefix[CONFIG_PREFIX_SIZE];
	struct token token;

	assert(section->count <= CONFIG_KEYS_MAX);
	config_prefix(section, title, prefix);
	rd->depth += name ? 1 : 0;
	for (;;) {
		rd->statement = rd->at;
		if (!next_token(rd, &token))
			return false;
		if (token.kind != TOKEN_WORD)
			break;
		if (!check_statement(rd, section, prefix, &token, first_lines))
			return false;
	}
	if (token.kind == TOKEN_END && name) {
		config_problem(rd, name->line, "section \"%s\" is not closed: expected }",
			       name->word);
		return false;
	}
	if (token.kind != (name ? TOKEN_CLOSE : TOKEN_END)) {
		config_problem(rd, token.line, "%sexpected the name of a key, not \"%c\"", prefix,
			       *token.start);
		return false;
	}
	for (size_t i = 0; i < section->count; i++)
		if (section->keys[i].required)
			check_required(rd, section, prefix, i, name->line, first_lines);
	rd->depth -= name ? 1 : 0;
	return true;
}

bool config_check(struct reader *rd, char *text)
{
	rd->at = text;
	rd->line = 1;
	return check_section(rd, &config_root, NULL, "");
}
