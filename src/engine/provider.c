/* SPDX-License-Identifier: MIT */
/* provider.c: see provider.h. */
#include "engine/provider.h"

#include <errno.h>
#include <stdlib.h>

struct provider {
	struct engine *engine;
	struct provider_ports ports;
	struct provider_config config;
	const struct signalling *signalling;
};

void provider_config_default(struct provider_config *ret_config)
{
	*ret_config = (struct provider_config){
		.controlled_load = { 0x18, 4 },
		.guaranteed = { 0x28, 5 },
		.network_control = { 0x30, 7 },
		.excess = { 0, 1 },
	};
}

struct provider *provider_new(struct engine *engine, const struct provider_ports *ports)
{
	struct provider *provider = calloc(1, sizeof(*provider));

	if (!provider)
		return NULL;
	provider->engine = engine;
	provider->ports = *ports;
	provider_config_default(&provider->config);
	return provider;
}

struct provider *provider_free(struct provider *provider)
{
	free(provider);
	return NULL;
}

void provider_configure(struct provider *provider, const struct provider_config *config)
{
	provider->config = *config;
}

void provider_run(struct provider *provider, uint64_t now_us)
{
	(void)provider;
	(void)now_us;
}

void provider_set_signalling(struct provider *provider, const struct signalling *signalling,
			     uint64_t now_us)
{
	(void)now_us;
	provider->signalling = signalling;
}

void provider_set_addresses(struct provider *provider, const struct address *addresses, size_t n,
			    uint64_t now_us)
{
	(void)provider;
	(void)addresses;
	(void)n;
	(void)now_us;
}

int provider_set(struct provider *provider, struct owner *owner, const struct engine_socket *socket,
		 const struct provider_request *request, uint64_t now_us)
{
	(void)provider;
	(void)owner;
	(void)socket;
	(void)request;
	(void)now_us;
	return -EOPNOTSUPP;
}

int provider_look(struct provider *provider, struct owner *owner,
		  const struct engine_socket *socket, uint64_t now_us)
{
	return provider_set(provider, owner, socket, NULL, now_us);
}

int provider_end(struct provider *provider, struct owner *owner, uint64_t cookie,
		 uint32_t directions, uint64_t now_us)
{
	(void)provider;
	(void)owner;
	(void)cookie;
	(void)directions;
	(void)now_us;
	return -EOPNOTSUPP;
}

int provider_join(struct provider *provider, struct owner *owner,
		  const struct engine_socket *socket, const struct address *group,
		  uint32_t directions, const struct provider_request *request, uint64_t now_us)
{
	(void)group;
	(void)directions;
	return provider_set(provider, owner, socket, request, now_us);
}

int provider_leave(struct provider *provider, struct owner *owner, uint64_t cookie,
		   const struct address *group, uint64_t now_us)
{
	(void)group;
	return provider_end(provider, owner, cookie, 0, now_us);
}

int provider_query(struct provider *provider, struct owner *owner,
		   const struct engine_socket *socket, struct gw_qos_info *ret_info)
{
	(void)provider;
	(void)owner;
	(void)socket;
	(void)ret_info;
	return -EOPNOTSUPP;
}

void provider_socket_ended(struct provider *provider, uint64_t cookie, unsigned directions,
			   enum end_reason reason, uint64_t now_us)
{
	(void)provider;
	(void)cookie;
	(void)directions;
	(void)reason;
	(void)now_us;
}

void provider_owner_gone(struct provider *provider, struct owner *owner, uint64_t now_us)
{
	(void)provider;
	(void)owner;
	(void)now_us;
}

bool provider_signalled(struct provider *provider, struct owner *owner, uint32_t session,
			enum gw_event_type type, const struct gw_rsvp_record *record)
{
	(void)provider;
	(void)owner;
	(void)session;
	(void)type;
	(void)record;
	return false;
}

int provider_reserve(struct provider *provider, const struct signalling_session *session,
		     const struct address *source, const struct engine_service *service,
		     struct admission_refusal *ret_refusal, uint64_t now_us)
{
	(void)provider;
	(void)session;
	(void)source;
	(void)service;
	(void)ret_refusal;
	(void)now_us;
	return -ENOENT;
}
