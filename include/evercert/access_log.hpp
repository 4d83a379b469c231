#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <evercert/clock.hpp>
#include <evercert/network.hpp>

namespace evercert {

/// One request and what became of it, for an operator's log. The texts are the client's, as they came, except the names: they may
/// hold anything that a header field may. They are good during the call.
struct access_record {
    wall_time when = {};  ///< as its head was complete
    duration took = {};   ///< from then to the last byte that was handed to the system
    endpoint remote = {};
    endpoint local = {};
    std::string_view protocol = {};     ///< "HTTP/1.1"
    std::string_view tls_version = {};  ///< "TLSv1.3"; empty for plain HTTP
    std::string_view server_name = {};  ///< of TLS
    std::string_view method = {};
    std::string_view host = {};
    std::string_view target = {};
    std::string_view user_agent = {};
    std::string_view referer = {};
    int status = 0;
    std::uint64_t received = 0;  ///< bytes of the body
    std::uint64_t sent = 0;      ///< bytes of the body
    bool whole = true;           ///< false if the answer was cut short: by the client, a limit, or its producer
};

/// Told of every request that was answered or refused, on its connection's executor, so several threads may call at once. Must not
/// throw or wait for long: the connection waits with it.
using access_callback = std::function<void(const access_record&)>;

/// A line of the combined log format, as Apache and nginx write it, without its line end; what could break the line is escaped.
std::string to_combined_log(const access_record&);

}  // namespace evercert
