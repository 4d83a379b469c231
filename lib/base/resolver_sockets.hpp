#pragma once

#include <ares.h>

namespace evercert {

/// Have the channel write without SIGPIPE: c-ares before 1.34 calls writev() on a TCP connection to a name server.
void use_own_sockets(ares_channel channel) noexcept;

}  // namespace evercert
