// RFC 8555, section 7.3: accounts.

#include <boost/json/array.hpp>

#include "testing/answers.hpp"
#include "testing/ca_core.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

bool bool_member(const boost::json::object& in, std::string_view member) {
    const auto* found = in.if_contains({member.data(), member.size()});
    if (!found)
        return false;
    if (!found->is_bool())
        throw refusal{400, "malformed", "\"" + std::string{member} + "\" is not a boolean"};
    return found->get_bool();
}

void check_contact(const std::string& url) {
    constexpr std::string_view scheme = "mailto:";
    if (!url.starts_with(scheme))
        throw refusal{400, "unsupportedContact", "only mailto: is supported, not " + quoted(url)};
    // Section 7.3: one address, no hfields.
    const auto address = std::string_view{url}.substr(scheme.size());
    const auto at = address.find('@');
    if (at == 0 || at == address.npos || at + 1 == address.size() ||
        address.find_first_of("?,;<> \t\r\n") != address.npos || address.find('@', at + 1) != address.npos)
        throw refusal{400, "invalidContact", quoted(url) + " is not one e-mail address"};
}

std::vector<std::string> parse_contact(const boost::json::value& from) {
    if (!from.is_array())
        throw refusal{400, "malformed", "\"contact\" is not an array"};
    if (from.get_array().size() > ca_core::contacts_max)
        throw refusal{400, "invalidContact", "these are too many contacts"};
    std::vector<std::string> result;
    for (const auto& each : from.get_array()) {
        if (!each.is_string())
            throw refusal{400, "malformed", "a contact is not a string"};
        result.emplace_back(each.get_string());
        check_contact(result.back());
    }
    return result;
}

}  // namespace

response ca_core::account_response(int status, const account_record& account) const {
    auto answer = json_response(status, view_.account(account));
    answer.fields.set("Location", view_.url(resource::account, account.id));
    return answer;
}

response ca_core::new_account(const signed_request& in, moment now) {
    const auto payload = in.jws.object();
    const bool only_existing = bool_member(payload, "onlyReturnExisting");
    const bool agreed = bool_member(payload, "termsOfServiceAgreed");
    std::vector<std::string> contact;
    if (const auto* found = payload.if_contains("contact"))
        contact = parse_contact(*found);

    if (const auto* found = book_.find_account(in.key->thumbprint())) {
        if (found->status != acme::account_status::valid)
            throw refusal{401, "unauthorized", "the account was deactivated"};
        return account_response(200, *found);
    }
    if (only_existing)
        throw refusal{400, "accountDoesNotExist", "there is no account with this key"};
    if (options_.terms_required && !agreed) {
        fields extra;
        if (!options_.terms_url.empty())
            extra.set("Link", link(options_.terms_url, "terms-of-service"));
        throw refusal{acme_problem(400, "malformed", "the terms of service must be agreed to"), std::move(extra)};
    }
    limiter_.new_account(in.from, now);
    return account_response(201, book_.add_account(*in.key, std::move(contact)));
}

response ca_core::account(const route& where, const signed_request& in) {
    auto& account = *in.account;
    if (where.id != account.id)
        throw refusal{403, "unauthorized", "this is another account"};
    if (in.jws.payload.empty())
        return account_response(200, account);
    const auto payload = in.jws.object();
    const auto* status = find_string(payload, "status");
    if (status && *status != "deactivated" && *status != "valid")
        throw refusal{400, "malformed", "an account can be deactivated and nothing else"};
    if (const auto* found = payload.if_contains("contact"))
        account.contact = parse_contact(*found);
    if (status && *status == "deactivated")
        book_.deactivate(account);
    return account_response(200, account);
}

response ca_core::orders(const route& where, const signed_request& in, moment now) {
    if (where.id != in.account->id)
        throw refusal{403, "unauthorized", "this is another account"};
    require_post_as_get(in.jws);
    boost::json::array urls;
    for (const auto id : in.account->orders)
        // Section 7.1.2.1: invalid ones should not be listed.
        if (book_.find_order(id, now)->status != acme::order_status::invalid)
            urls.emplace_back(view_.url(resource::order, id));
    return json_response(200, {{"orders", std::move(urls)}});
}

response ca_core::key_change(const signed_request& in) {
    // Section 7.3.5: the payload is a JWS by the new key, which says what the old one was.
    const jws_request inner{in.jws.object()};
    if (!inner.jwk)
        throw refusal{400, "malformed", "the inner JWS must have a \"jwk\""};
    auto key = inner.key();
    inner.verify(key);
    if (inner.nonce)
        throw refusal{400, "malformed", "the inner JWS must not have a nonce"};
    if (inner.url != in.jws.url)
        throw refusal{400, "malformed", "the inner JWS is for another URL than the outer one"};
    const auto change = inner.object();
    const auto* account = find_string(change, "account");
    if (!account || *account != in.jws.kid)
        throw refusal{400, "malformed", "the inner JWS is for another account than the outer one"};
    const auto* old_key = change.if_contains("oldKey");
    if (!old_key || !old_key->is_object() ||
        parse_jwk(old_key->get_object()).thumbprint() != in.account->key.thumbprint())
        throw refusal{400, "malformed", "\"oldKey\" is not the account's key"};
    if (const auto* found = book_.find_account(key.thumbprint())) {
        fields extra;
        extra.set("Location", view_.url(resource::account, found->id));
        throw refusal{acme_problem(409, "malformed", "another account has the new key"), std::move(extra)};
    }
    book_.change_key(*in.account, std::move(key));
    return account_response(200, *in.account);
}

}  // namespace evercert::testing
