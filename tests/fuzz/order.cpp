// Orders, and the other documents that a step of an order reads.

#include "acme/wire.hpp"
#include "documents.hpp"
#include "fuzz.hpp"

using namespace evercert;

namespace {

boost::json::object to_json(const acme::order& order) {
    boost::json::array names;
    for (const auto& name : order.identifiers)
        names.push_back(fuzz::json_name(name));
    boost::json::object document{
        {"status", fuzz::json_text(to_string(order.status))},
        {"identifiers", std::move(names)},
        {"authorizations", fuzz::json_list(order.authorizations)},
        {"finalize", order.finalize},
        {"replaces", order.replaces}};
    if (!order.certificate.empty())
        document["certificate"] = order.certificate;
    if (order.expires)
        document["expires"] = fuzz::to_rfc3339(*order.expires);
    return document;
}

boost::json::object to_json(const acme::authorization& authorization) {
    boost::json::array challenges;
    for (const auto& one : authorization.challenges)
        challenges.push_back(
            {{"type", one.type},
             {"url", one.url},
             {"token", one.token},
             {"status", fuzz::json_text(to_string(one.status))}});
    boost::json::object document{
        {"status", fuzz::json_text(to_string(authorization.status))},
        {"identifier", fuzz::json_name(authorization.identifier.value())},
        {"wildcard", authorization.wildcard},
        {"challenges", std::move(challenges)}};
    if (authorization.expires)
        document["expires"] = fuzz::to_rfc3339(*authorization.expires);
    return document;
}

/// What parses, serializes and parses to the same.
template <typename T>
void check_same(std::string_view body, T (*parse)(std::string_view, std::string)) {
    const auto parsed = fuzz::read([&] { return parse(body, fuzz::url); });
    if (!parsed)
        return;
    const auto written = to_json(*parsed);
    const auto again = fuzz::read([&] { return parse(boost::json::serialize(written), fuzz::url); });
    fuzz::must(again.has_value(), "a document that was written can be read");
    fuzz::must(to_json(*again) == written, "a document is the same after it was written and read");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto body = fuzz::text_of(data, size);
    check_same(body, acme::parse_order);
    check_same(body, acme::parse_authorization);
    fuzz::read([&] { return acme::parse_account(body, fuzz::url); });
    const auto challenge = fuzz::read([&] { return acme::parse_challenge(body, fuzz::url); });
    if (challenge && (challenge->type == "http-01" || challenge->type == "tls-alpn-01"))
        fuzz::must(acme::is_token(challenge->token), "a token fits into a path");
    return 0;
}
