#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <evercert/csr.hpp>
#include <evercert/key.hpp>

#include "crypto/challenge_certificate.hpp"
#include "crypto/encoding.hpp"
#include "crypto/jws.hpp"
#include "testing/ca_core.hpp"

namespace test {

inline const evercert::wall_time start = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
inline const std::string base_url = "https://127.0.0.1:14000";

/// A CA without I/O, and the time there.
struct ca_by_hand {
    explicit ca_by_hand(evercert::testing::acme_server_options options = {})
        : core{options, base_url, evercert::testing::authority{"test", start, options.alternate_chain}} {}

    /// Status 0 for an answer that is lost.
    evercert::response handle(const evercert::request& in) {
        auto answer = core.handle(in, now);
        return answer ? *std::move(answer) : evercert::response{0, {}};
    }
    std::string nonce() { return std::string{handle({"HEAD", "/new-nonce"}).fields.get("Replay-Nonce")}; }
    void advance(evercert::duration by) {
        now.wall += by;
        now.steady += by;
    }
    /// Every validation that was asked for ends like this.
    std::size_t validate(std::optional<evercert::problem> outcome = {}) {
        auto asked = core.take_validations();
        for (const auto& each : asked)
            core.validated(each.challenge, outcome, now);
        return asked.size();
    }

    evercert::testing::ca_core core;
    evercert::testing::moment now{start, evercert::steady_time{std::chrono::hours{5}}};
};

/// An ACME client that can do everything wrong.
struct client_by_hand {
    explicit client_by_hand(ca_by_hand& ca, evercert::private_key key = evercert::private_key::generate())
        : ca{ca}, key{std::move(key)} {}

    boost::json::object header(const std::string& path) {
        boost::json::object result{{"nonce", ca.nonce()}, {"url", base_url + path}};
        if (kid.empty())
            result["jwk"] = evercert::to_jwk(key);
        else
            result["kid"] = kid;
        return result;
    }
    evercert::response send(const std::string& path, const boost::json::object& header, std::string_view payload) {
        return send_body(path, evercert::sign_jws(key, header, payload));
    }
    evercert::response send_body(const std::string& path, std::string body) {
        evercert::request in{"POST", path};
        in.fields.set("Content-Type", "application/jose+json");
        in.body = std::move(body);
        return ca.handle(in);
    }
    /// An empty payload asks, everything else tells.
    evercert::response post(const std::string& path, std::string_view payload = {}) {
        return send(path, header(path), payload);
    }
    evercert::response post(const std::string& path, const boost::json::value& payload) {
        return post(path, std::string_view{boost::json::serialize(payload)});
    }

    void register_account() {
        const auto answer = post("/new-account", {{"termsOfServiceAgreed", true}});
        kid = std::string{answer.fields.get("Location")};
    }

    ca_by_hand& ca;
    evercert::private_key key;
    std::string kid;
};

inline boost::json::object object_of(const evercert::response& answer) {
    return boost::json::parse(answer.body).as_object();
}

/// "403 unauthorized" for a problem of that type, "200" for an answer that is none.
inline std::string gist(const evercert::response& answer) {
    auto result = std::to_string(answer.status);
    if (answer.fields.get("Content-Type") != "application/problem+json")
        return result;
    constexpr std::string_view urn = "urn:ietf:params:acme:error:";
    const auto problem = object_of(answer);
    const std::string type{problem.at("type").as_string()};
    return result + " " + (type.starts_with(urn) ? type.substr(urn.size()) : type);
}

inline std::string text_of(const boost::json::value& text) { return std::string{text.as_string()}; }

inline std::string status_of(const evercert::response& answer) { return text_of(object_of(answer).at("status")); }

/// Of a URL of the CA.
inline std::string path_of(const boost::json::value& url) { return text_of(url).substr(base_url.size()); }

inline boost::json::object order_of(std::initializer_list<std::string_view> names) {
    boost::json::array identifiers;
    for (const auto name : names)
        identifiers.push_back({{"type", "dns"}, {"value", name}});
    return {{"identifiers", std::move(identifiers)}};
}

inline boost::json::object finalize_with(
    const evercert::private_key& key, const std::vector<evercert::identifier>& names) {
    return {{"csr", evercert::base64url_encode(evercert::make_csr(key, names))}};
}

}  // namespace test
