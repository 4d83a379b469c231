// RFC 8555, sections 7.4 and 7.5: orders, authorizations and challenges.

#include <algorithm>

#include <boost/json/array.hpp>
#include <openssl/evp.h>

#include "testing/answers.hpp"
#include "testing/ca_core.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

identifier parse_name(const boost::json::value& from) {
    if (!from.is_object())
        throw refusal{400, "malformed", "an identifier is not an object"};
    const auto* type = find_string(from.get_object(), "type");
    const auto* value = find_string(from.get_object(), "value");
    if (!type || !value)
        throw refusal{400, "malformed", "an identifier has no type or no value"};
    if (*type != "dns" && *type != "ip")
        throw refusal{
            400, "unsupportedIdentifier", "identifiers of the type " + quoted(*type, 20) + " are not supported"};
    const std::string text{*value};
    const auto name = identifier::parse(text);
    const bool ip = name && name->type() == identifier::kind::ip;
    if (!name || ip != (*type == "ip"))
        throw refusal{400, "rejectedIdentifier", quoted(text) + " is not an identifier of its type"};
    // Sections 7.1.3 and 7.1.4 leave clients one way to write a name; upper case does no harm.
    if (!std::equal(text.begin(), text.end(), name->value().begin(), name->value().end(), [](char a, char b) {
            return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b);
        }))
        throw refusal{400, "malformed", quoted(text) + " is to be written as " + name->value()};
    return *name;
}

/// One problem for all, with one for each (section 6.7.1).
void refuse_names(const std::vector<identifier>& refused, std::size_t asked) {
    if (refused.empty())
        return;
    auto why = acme_problem(403, "rejectedIdentifier", "refused by policy: " + to_string(refused));
    if (asked > 1)
        for (const auto& name : refused)
            why.subproblems.push_back({why.type, "refused by policy", name.value()});
    throw refusal{std::move(why)};
}

}  // namespace

std::vector<identifier> ca_core::parse_names(const boost::json::object& payload) const {
    const auto* identifiers = payload.if_contains("identifiers");
    if (!identifiers || !identifiers->is_array() || identifiers->get_array().empty())
        throw refusal{400, "malformed", "an order needs a list of identifiers"};
    if (identifiers->get_array().size() > names_max)
        throw refusal{400, "malformed", "an order has " + std::to_string(names_max) + " identifiers at most"};
    std::vector<identifier> names;
    std::vector<identifier> refused;
    for (const auto& each : identifiers->get_array()) {
        auto name = parse_name(each);
        if (std::find(names.begin(), names.end(), name) != names.end())
            continue;
        if (std::find(options_.refused.begin(), options_.refused.end(), name) != options_.refused.end() ||
            book_.challenges_for(name).empty())
            refused.push_back(name);
        names.push_back(std::move(name));
    }
    refuse_names(refused, names.size());
    return names;
}

response ca_core::order_response(int status, const order_record& order) const {
    auto answer = json_response(status, view_.order(order));
    answer.fields.set("Location", view_.url(resource::order, order.id));
    if (order.status == acme::order_status::processing && !options_.retry_after.empty())
        answer.fields.set("Retry-After", options_.retry_after);
    return answer;
}

response ca_core::new_order(const signed_request& in, moment now) {
    const auto payload = in.jws.object();
    if (payload.contains("notBefore") || payload.contains("notAfter"))
        throw refusal{400, "malformed", "notBefore and notAfter are not supported"};
    auto names = parse_names(payload);
    auto* replaced = find_replaced(payload, *in.account, names, now);
    limiter_.new_order(in.account->id, names, {replaced != nullptr, book_.is_certified(names)}, now);
    if (book_.is_prune_due()) {
        const auto replaced_id = replaced ? replaced->id : 0;
        book_.prune(now);
        limiter_.prune(now);
        replaced = book_.find_certificate(replaced_id);
    }
    ordered_.push_back({names, in.account->id});
    auto& placed = book_.add_order(*in.account, std::move(names), now);
    if (replaced) {
        placed.replaces = replaced->renewal_id;
        replaced->replaced_by = placed.id;
    }
    return order_response(201, placed);
}

order_record& ca_core::own_order(std::size_t id, const signed_request& in, moment now) {
    auto* found = book_.find_order(id, now);
    if (!found)
        throw refusal{404, "malformed", "there is no such order"};
    if (found->account != in.account->id)
        throw refusal{403, "unauthorized", "the order is another account's"};
    return *found;
}

response ca_core::order(const route& where, const signed_request& in, moment now) {
    const auto& order = own_order(where.id, in, now);
    require_post_as_get(in.jws);
    return order_response(200, order);
}

parsed_csr ca_core::check_csr(
    const order_record& order, const account_record& account, const boost::json::object& payload) const {
    const auto* encoded = find_string(payload, "csr");
    if (!encoded)
        throw refusal{400, "malformed", "there is no \"csr\""};
    const auto der = decode(*encoded, "the CSR");
    auto request = [&] {
        try {
            return parse_csr(der);
        } catch (const error& why) {
            throw refusal{400, "badCSR", why.what()};
        }
    }();
    auto asked = request.names;
    auto ordered = order.names;
    std::sort(asked.begin(), asked.end());
    asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
    std::sort(ordered.begin(), ordered.end());
    if (asked != ordered)
        throw refusal{400, "badCSR", "the CSR is for " + to_string(asked) + ", the order for " + to_string(ordered)};
    // Section 11.1.
    if (EVP_PKEY_eq(request.key.native_handle(), account.key.native_handle()) == 1)
        throw refusal{400, "badCSR", "the certificate's key must not be the account's"};
    return request;
}

response ca_core::finalize(const route& where, const signed_request& in, moment now) {
    auto& order = own_order(where.id, in, now);
    const auto payload = in.jws.object();
    if (order.status == acme::order_status::processing || order.status == acme::order_status::valid)
        careless_.finalized_again(order, now);
    if (order.status != acme::order_status::ready)
        throw refusal{403, "orderNotReady", "the order is " + std::string{to_string(order.status)} + ", not ready"};
    const auto request = check_csr(order, *in.account, payload);
    issue(order, request.key, now);
    return order_response(200, order);
}

void ca_core::issue(order_record& order, const public_key& key, moment now) {
    const order_standing standing{!order.replaces.empty(), book_.is_certified(order.names)};
    const auto not_before = std::chrono::floor<std::chrono::seconds>(now.wall);
    const auto not_after = not_before + options_.lifetime;
    auto made = issuer_.issue(order.names, key, {not_before, not_after});
    const auto ideal = now.wall + options_.lifetime * 2 / 3;
    const auto& added = book_.add_certificate(
        order,
        {.id = 0,
         .account = order.account,
         .names = order.names,
         .serial = std::move(made.serial),
         .der = std::move(made.der),
         .chain_pem = std::move(made.chain_pem),
         .alternate_pem = std::move(made.alternate_pem),
         .renewal_id = std::move(made.renewal_id),
         .window = {ideal - options_.lifetime / 100, ideal + options_.lifetime / 100},
         .not_after = not_after},
        now);
    limiter_.issued(added.names, standing, now);
    const auto* replaced = book_.find_renewal(order.replaces);
    issued_.push_back(
        {.serial = added.serial,
         .names = added.names,
         .account = added.account,
         .not_before = not_before,
         .not_after = not_after,
         .replaces = replaced ? replaced->serial : ""});
}

response ca_core::authorization(const route& where, const signed_request& in, moment now) {
    auto* found = book_.find_authorization(where.id, now);
    if (!found)
        throw refusal{404, "malformed", "there is no such authorization"};
    if (found->account != in.account->id)
        throw refusal{403, "unauthorized", "the authorization is another account's"};
    if (!in.jws.payload.empty()) {
        // Section 7.5.2.
        const auto payload = in.jws.object();
        const auto* status = find_string(payload, "status");
        if (!status || *status != "deactivated")
            throw refusal{400, "malformed", "an authorization can be deactivated and nothing else"};
        if (found->status != acme::authorization_status::pending && found->status != acme::authorization_status::valid)
            throw refusal{
                400, "malformed", "the authorization is " + std::string{to_string(found->status)} + " already"};
        found->status = acme::authorization_status::deactivated;
    }
    auto answer = json_response(200, view_.authorization(*found, book_));
    if (found->status == acme::authorization_status::pending && !options_.retry_after.empty())
        answer.fields.set("Retry-After", options_.retry_after);
    return answer;
}

response ca_core::challenge(const route& where, const signed_request& in, moment now) {
    auto* found = book_.find_challenge(where.id, now);
    if (!found)
        throw refusal{404, "malformed", "there is no such challenge"};
    const auto& authorization = *book_.find_authorization(found->authorization, now);
    if (authorization.account != in.account->id)
        throw refusal{403, "unauthorized", "the challenge is another account's"};
    // Section 7.5.1: an object answers the challenge, however often; nothing at all asks how it is.
    if (!in.jws.payload.empty()) {
        in.jws.object();
        if (book_.answer(*found, now))
            validations_.push_back(
                {.challenge = found->id,
                 .type = found->type,
                 .identifier = authorization.identifier,
                 .token = found->token,
                 .key_authorization = found->token + "." + in.account->key.thumbprint()});
    }
    auto answer = json_response(200, view_.challenge(*found));
    answer.fields.add("Link", link(view_.url(resource::authorization, authorization.id), "up"));
    if (found->status == acme::challenge_status::processing && !options_.retry_after.empty())
        answer.fields.set("Retry-After", options_.retry_after);
    return answer;
}

}  // namespace evercert::testing
