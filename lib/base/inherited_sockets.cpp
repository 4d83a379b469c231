#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/network.hpp>

#include "base/socket.hpp"

namespace evercert {
namespace {

/// SD_LISTEN_FDS_START of sd_listen_fds(3).
constexpr int first_inherited = 3;
/// No unit has more, and every one is looked at.
constexpr int inherited_max = 1024;

/// Nothing if there is no such variable.
std::optional<int> number_of(const char* variable, int most) {
    const char* const text = std::getenv(variable);
    if (!text)
        return std::nullopt;
    const std::string_view digits{text};
    int value = -1;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failed != std::errc{} || end != digits.data() + digits.size() || value < 0 || value > most)
        throw error{
            errc::listen_failed,
            fmt::format(
                "the environment variable {} is {}, and not a number from 0 to {} as sd_listen_fds(3) has it", variable,
                quoted(digits), most)};
    return value;
}

}  // namespace

std::vector<int> inherited_sockets() {
    // Another process' environment, which this one only inherited, names sockets that are not ours.
    constexpr int any_process = std::numeric_limits<pid_t>::max();
    if (number_of("LISTEN_PID", any_process) != ::getpid())
        return {};
    const int count = number_of("LISTEN_FDS", inherited_max).value_or(0);
    std::vector<int> sockets;
    for (int socket = first_inherited; socket < first_inherited + count; ++socket) {
        if (const auto failure = make_non_blocking(socket))
            throw error{
                errc::listen_failed,
                fmt::format(
                    "the environment variable LISTEN_FDS says {}, but there is no descriptor {}: {}", count, socket,
                    failure.message())};
        sockets.push_back(socket);
    }
    return sockets;
}

}  // namespace evercert
