#include "testing/ca_core.hpp"

#include <boost/json/serialize.hpp>

#include "testing/answers.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

response refused(const refusal& why) {
    // What is not of ACME comes from something in front of a CA, which knows nothing of problem documents.
    const bool is_acme = !why.problem.type.empty();
    response answer{why.problem.status, why.problem.detail};
    if (is_acme) {
        answer = json_response(why.problem.status, to_json(why.problem));
        answer.fields.set("Content-Type", "application/problem+json");
    }
    for (const auto& [name, value] : why.fields)
        answer.fields.add(name, value);
    return answer;
}

[[noreturn]] void refuse_method(std::string_view allowed) {
    fields extra;
    extra.set("Allow", allowed);
    throw refusal{acme_problem(405, "malformed", "the resource is asked by " + std::string{allowed}), std::move(extra)};
}

bool is_jose(std::string_view content_type) {
    return content_type.substr(0, content_type.find_first_of("; ")) == "application/jose+json";
}

}  // namespace

ca_core::ca_core(acme_server_options options, std::string base_url, authority issuer)
    : options_{std::move(options)},
      view_{std::move(base_url)},
      issuer_{std::move(issuer)},
      book_{options_},
      limiter_{options_.limits},
      bad_nonce_{options_.bad_nonce_every} {}

std::optional<response> ca_core::handle(const request& in, moment now) {
    const auto where = parse_route(in.target);
    response answer;
    try {
        // Nothing here has a query, and two spellings of a URL would be two URLs to a JWS.
        if (!where)
            throw refusal{404, "malformed", "there is nothing at " + quoted(in.target)};
        answer = dispatch(*where, in, now);
    } catch (const refusal& why) {
        answer = refused(why);
    }
    if (where && faults_.is_lost(where->what)) {
        if (where->what == resource::new_order)
            careless_.answer_lost();
        return {};
    }
    // What needs no nonce takes none of those that others were given.
    if (!where || where->what != resource::renewal_info)
        answer.fields.set("Replay-Nonce", nonces_.issue());
    if (!where || where->what != resource::directory)
        answer.fields.add("Link", link(view_.url(resource::directory), "index"));
    return answer;
}

response ca_core::dispatch(const route& where, const request& in, moment now) {
    ++counts_[static_cast<std::size_t>(where.what)];

    if (where.what == resource::renewal_info && in.method == "GET")
        return renewal_info(where);
    if (where.what == resource::renewal_info)
        refuse_method("GET");
    const bool is_open = where.what == resource::directory || where.what == resource::new_nonce;
    if (in.method == "POST")
        return dispatch_signed(where, authenticate(in, where.what), now);
    if (!is_open)
        refuse_method("POST");
    if (in.method != "GET" && in.method != "HEAD")
        refuse_method("GET, HEAD, POST");
    inject_fault(where.what);
    if (where.what == resource::directory)
        return json_response(200, view_.directory(options_));
    auto answer = empty_response(in.method == "HEAD" ? 200 : 204);
    answer.fields.set("Cache-Control", "no-store");
    return answer;
}

response ca_core::dispatch_signed(const route& where, const signed_request& in, moment now) {
    // Also of what fails on demand: the client has done what it should.
    if (where.what == resource::new_order)
        careless_.new_order(in.jws.object());
    inject_fault(where.what);
    switch (where.what) {
    // RFC 8555, section 6.3: these two may be asked by POST-as-GET too.
    case resource::directory: require_post_as_get(in.jws); return json_response(200, view_.directory(options_));
    case resource::new_nonce: require_post_as_get(in.jws); return empty_response(200);
    case resource::new_account: return new_account(in, now);
    case resource::new_order: return new_order(in, now);
    case resource::revoke_cert: return revoke_cert(in, now);
    case resource::key_change: return key_change(in);
    case resource::account: return account(where, in);
    case resource::orders: return orders(where, in, now);
    case resource::order: return order(where, in, now);
    case resource::finalize: return finalize(where, in, now);
    case resource::authorization: return authorization(where, in, now);
    case resource::challenge: return challenge(where, in, now);
    case resource::certificate:
    case resource::alternate: return certificate(where, in);
    case resource::renewal_info: break;
    }
    throw refusal{500, "serverInternal", "a resource without a handler"};
}

ca_core::signed_request ca_core::authenticate(const request& in, resource what) {
    if (!is_jose(in.fields.get("Content-Type")))
        throw refusal{415, "malformed", "the Content-Type is not application/jose+json"};
    signed_request result{jws_request{in.body.whole()}, nullptr, {}, in.remote.address};
    const auto& jws = result.jws;
    check_nonce(jws);
    const auto url = view_.base_url() + in.target;
    if (jws.url != url)
        throw refusal{401, "unauthorized", "the JWS is for " + quoted(jws.url) + ", the request for " + quoted(url)};

    // RFC 8555, section 6.2.
    if (what == resource::new_account && !jws.jwk)
        throw refusal{400, "malformed", "a request for an account is signed with a \"jwk\""};
    if (what != resource::new_account && what != resource::revoke_cert && jws.jwk)
        throw refusal{400, "malformed", "this request is signed with a \"kid\""};
    if (jws.jwk) {
        result.key = jws.key();
        jws.verify(*result.key);
        return result;
    }
    auto& account = account_of(jws);
    jws.verify(account.key);
    if (account.status != acme::account_status::valid)
        throw refusal{401, "unauthorized", "the account was deactivated"};
    result.account = &account;
    return result;
}

void ca_core::check_nonce(const jws_request& jws) {
    if (!jws.nonce)
        throw refusal{400, "malformed", "the protected header has no \"nonce\""};
    if (!base64url_decode(*jws.nonce))
        throw refusal{400, "malformed", "the nonce is not base64url"};
    const bool good = nonces_.use(*jws.nonce);
    if (bad_nonce_())
        throw refusal{400, "badNonce", "this nonce is refused so that the client shows what it does"};
    if (!good)
        throw refusal{400, "badNonce", "the nonce was not issued here, has expired or was used before"};
}

account_record& ca_core::account_of(const jws_request& jws) {
    const auto& base = view_.base_url();
    if (jws.kid.starts_with(base)) {
        const auto where = parse_route(std::string_view{jws.kid}.substr(base.size()));
        if (where && where->what == resource::account)
            if (auto* found = book_.find_account(where->id))
                return *found;
    }
    throw refusal{400, "accountDoesNotExist", "there is no account " + quoted(jws.kid)};
}

void ca_core::inject_fault(resource what) {
    auto injected = faults_.failure(what);
    if (!injected)
        return;
    fields extra;
    if (!injected->retry_after.empty())
        extra.set("Retry-After", injected->retry_after);
    throw refusal{std::move(injected->why), std::move(extra)};
}

}  // namespace evercert::testing
