#include "catch.hpp"
#include "issuance/choose_challenge.hpp"

using namespace evercert;

namespace {

acme::authorization offer(std::vector<std::string> types) {
    acme::authorization result;
    for (auto& type : types) {
        acme::challenge one;
        one.type = type;
        result.challenges.push_back(std::move(one));
    }
    return result;
}

constexpr auto tls = challenge_type::tls_alpn_01;
constexpr auto http = challenge_type::http_01;

std::string chosen(
    const acme::authorization& from, std::vector<challenge_type> preference, std::set<challenge_type> failed = {}) {
    const auto* found = choose_challenge(from, preference, failed);
    return found ? found->type : "none";
}

}  // namespace

TEST_CASE("the CA's offer decides, in our order of preference") {
    const auto all = offer({"dns-01", "http-01", "tls-alpn-01"});
    CHECK(chosen(all, {tls, http}) == "tls-alpn-01");
    CHECK(chosen(all, {http, tls}) == "http-01");
    CHECK(chosen(offer({"http-01"}), {tls, http}) == "http-01");
    CHECK(chosen(offer({"dns-01"}), {tls, http}) == "none");
    CHECK(chosen(all, {}) == "none");
}

TEST_CASE("a challenge that failed is not tried again") {
    const auto all = offer({"http-01", "tls-alpn-01"});
    CHECK(chosen(all, {tls, http}, {tls}) == "http-01");
    CHECK(chosen(all, {tls, http}, {tls, http}) == "none");
}
