#include <charconv>
#include <cstdlib>
#include <string_view>
#include <unistd.h>

#include <evercert/network.hpp>

#include "base/socket.hpp"

namespace evercert {
namespace {

/// SD_LISTEN_FDS_START of sd_listen_fds(3).
constexpr int first_inherited = 3;
/// No unit has more, and every one is looked at.
constexpr int inherited_max = 1024;

/// -1 if there is none.
int number_of(const char* variable) {
    const char* const text = std::getenv(variable);
    if (!text)
        return -1;
    const std::string_view digits{text};
    int value = -1;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return failed == std::errc{} && end == digits.data() + digits.size() ? value : -1;
}

}  // namespace

std::vector<int> inherited_sockets() {
    const int count = number_of("LISTEN_FDS");
    // Another process' environment, which this one only inherited, names sockets that are not ours.
    if (count <= 0 || count > inherited_max || number_of("LISTEN_PID") != ::getpid())
        return {};
    std::vector<int> sockets;
    for (int socket = first_inherited; socket < first_inherited + count; ++socket)
        if (!make_non_blocking(socket))
            sockets.push_back(socket);
    return sockets;
}

}  // namespace evercert
