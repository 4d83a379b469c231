#include "server/redirect.hpp"

#include <evercert/identifier.hpp>

namespace evercert {

response redirect_to_https(const request& request) {
    const auto name = identifier::parse(request.host);
    if (!name || name->is_wildcard())
        return response{400, "The request has no host that a certificate could be for.\n"};
    const bool is_ipv6 = name->value().find(':') != std::string::npos;
    std::string location = "https://";
    location += is_ipv6 ? "[" + name->value() + "]" : name->value();
    // "*" of OPTIONS is no path.
    location += request.target.starts_with('/') ? request.target : "/";

    response answer{request.is_safe() ? 302 : 308};
    answer.fields.set("Location", location);
    return answer;
}

}  // namespace evercert
