#pragma once

#include <memory>

#include <evercert/clock.hpp>
#include <evercert/ticket_keys.hpp>

typedef struct ssl_ctx_st SSL_CTX;

namespace evercert {

/// Session tickets of a server's context under the keys of this source.
void use_ticket_keys(SSL_CTX*, std::shared_ptr<ticket_key_source>, std::shared_ptr<clock>);

}  // namespace evercert
