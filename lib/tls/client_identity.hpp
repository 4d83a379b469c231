#pragma once

#include <optional>

#include <evercert/tls_stream.hpp>

namespace evercert {

/// Of the certificate that the peer showed, if it did and it was verified.
std::optional<client_identity> verified_client(const SSL*);

}  // namespace evercert
