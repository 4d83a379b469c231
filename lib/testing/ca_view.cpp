#include "testing/ca_view.hpp"

#include <string_view>

#include <boost/json/array.hpp>

#include "base/wall_time.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

boost::json::object format_identifier(const identifier& name) {
    return {{"type", name.type() == identifier::kind::ip ? "ip" : "dns"}, {"value", name.value()}};
}

boost::json::value text(std::string_view from) {
    return boost::json::value(boost::json::string{from.data(), from.size()});
}

}  // namespace

std::string ca_view::url(resource what, std::size_t id) const { return base_url_ + to_path({what, id}); }

boost::json::object ca_view::directory(const acme_server_options& options) const {
    boost::json::object meta{{"externalAccountRequired", false}};
    if (!options.terms_url.empty())
        meta["termsOfService"] = options.terms_url;
    boost::json::object result{
        {"newNonce", url(resource::new_nonce)},   {"newAccount", url(resource::new_account)},
        {"newOrder", url(resource::new_order)},   {"revokeCert", url(resource::revoke_cert)},
        {"keyChange", url(resource::key_change)}, {"meta", std::move(meta)},
    };
    if (options.renewal_info)
        result["renewalInfo"] = url(resource::renewal_info);
    return result;
}

boost::json::object ca_view::account(const account_record& account) const {
    boost::json::array contact;
    for (const auto& each : account.contact)
        contact.emplace_back(each);
    return {
        {"status", text(to_string(account.status))},
        {"contact", std::move(contact)},
        {"termsOfServiceAgreed", true},
        {"orders", url(resource::orders, account.id)}};
}

boost::json::object ca_view::order(const order_record& order) const {
    boost::json::array identifiers;
    for (const auto& name : order.names)
        identifiers.push_back(format_identifier(name));
    boost::json::array authorizations;
    for (const auto id : order.authorizations)
        authorizations.emplace_back(url(resource::authorization, id));
    boost::json::object result{
        {"status", text(to_string(order.status))},
        {"expires", to_rfc3339(order.expires)},
        {"identifiers", std::move(identifiers)},
        {"authorizations", std::move(authorizations)},
        {"finalize", url(resource::finalize, order.id)}};
    if (!order.replaces.empty())
        result["replaces"] = order.replaces;
    if (order.error)
        result["error"] = to_json(*order.error);
    if (order.status == acme::order_status::valid)
        result["certificate"] = url(resource::certificate, order.certificate);
    return result;
}

boost::json::object ca_view::authorization(const authorization_record& authorization, const ca_book& book) const {
    boost::json::array challenges;
    for (const auto id : authorization.challenges)
        challenges.push_back(challenge(book.challenge(id)));
    boost::json::object result{
        {"status", text(to_string(authorization.status))},
        {"expires", to_rfc3339(authorization.expires)},
        {"identifier", format_identifier(authorization.identifier)},
        {"challenges", std::move(challenges)}};
    if (authorization.wildcard)
        result["wildcard"] = true;
    return result;
}

boost::json::object ca_view::challenge(const challenge_record& challenge) const {
    boost::json::object result{
        {"type", challenge.type},
        {"url", url(resource::challenge, challenge.id)},
        {"status", text(to_string(challenge.status))},
        {"token", challenge.token}};
    if (challenge.status == acme::challenge_status::valid)
        result["validated"] = to_rfc3339(challenge.validated);
    if (challenge.status == acme::challenge_status::invalid && challenge.error)
        result["error"] = to_json(*challenge.error);
    return result;
}

boost::json::object ca_view::renewal_info(const renewal_window& window) const {
    boost::json::object result{
        {"suggestedWindow", {{"start", to_rfc3339(window.start)}, {"end", to_rfc3339(window.end)}}}};
    if (!window.explanation_url.empty())
        result["explanationURL"] = window.explanation_url;
    return result;
}

}  // namespace evercert::testing
