/* SPDX-License-Identifier: MIT */
/*
 * template_store.h: templates that administrators have installed: a folder with a file for each. Who may write there
 * may install.
 *
 * The folder is greenwave/templates below the configuration's; a program that has not been given another's privileges
 * may name another one in GREENWAVE_TEMPLATES.
 */
#ifndef GW_WINQOS_TEMPLATE_STORE_H
#define GW_WINQOS_TEMPLATE_STORE_H

#include "winqos/template.h"

/* 0; -ENOENT if there is none of that name that can be read; or another error of the system. */
int template_load(const char *name, struct template *ret_template);

/* Takes the place of one of the same name, at once and for good. */
int template_save(const struct template *template);

/* -ENOENT if there is none. */
int template_delete(const char *name);

/* Names of all that can be read, in the order of the alphabet; to be freed, each and all. */
size_t template_list(char ***ret_names);

#endif
