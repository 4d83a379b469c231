#include "acme/ends.hpp"

#include <fmt/format.h>

#include <evercert/error.hpp>

#include "acme/problem.hpp"

namespace evercert::acme {

bool is_unfinished(const acme::order& order) {
    return order.status == order_status::pending || order.status == order_status::processing;
}

bool is_unfinished(const acme::authorization& authorization) {
    return authorization.status == authorization_status::pending;
}

void throw_invalid(const acme::order& order) {
    auto names = to_string(order.identifiers);
    if (!order.error)
        throw error{
            errc::order_invalid,
            fmt::format("the CA made the order for {} invalid without saying why: order again", names)};
    throw error{
        errc::order_invalid, fmt::format("the CA made the order for {} invalid: {}", names, describe(*order.error)),
        *order.error};
}

void throw_invalid(const acme::authorization& authorization) {
    auto& name = authorization.identifier->value();
    for (auto& challenge : authorization.challenges)
        if (challenge.error)
            throw error{
                errc::authorization_invalid,
                fmt::format(
                    "the CA could not validate {} by {}: {}", name, quoted(challenge.type), describe(*challenge.error)),
                *challenge.error};
    throw error{
        errc::authorization_invalid,
        fmt::format("the CA's authorization for {} is {}: order again", name, to_string(authorization.status))};
}

}  // namespace evercert::acme
