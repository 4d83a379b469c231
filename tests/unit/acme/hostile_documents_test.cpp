#include <functional>

#include <boost/json.hpp>

#include <evercert/acme/client.hpp>

#include "acme/json.hpp"
#include "catch.hpp"
#include "scripted_ca.hpp"

// A CA, or whoever answers in its place, that sends documents which are not: each member of each, one after the other,
// missing, of every other type, empty, and huge.

using namespace evercert;
namespace json = boost::json;
using test::contains;
using test::error_of;
using test::scripted_ca;
using test::with_ca;

namespace {

// Named: GCC 12 is not to make them in an expression that awaits.
const std::vector<identifier> names{"a.test"};
const std::vector<std::string> no_contact;
const std::string id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
const std::vector<unsigned char> der{1, 2, 3};

using test_of = std::function<bool(const json::value&)>;

struct field {
    std::string at;     ///< where in the document (RFC 6901)
    std::string named;  ///< as the error calls it
    bool required;
    test_of accepts;  ///< of all values but null
};

struct resource {
    std::string what;
    std::string path;
    json::object document;
    std::vector<field> fields;
    asio::awaitable<void> (*ask)(acme::client&, const scripted_ca&);
};

bool is_text(const json::value& value) { return value.is_string() && value.get_string().size() <= 64; }
bool is_list(const json::value& value) { return value.is_array() && value.get_array().empty(); }
bool is_object(const json::value& value) { return value.is_object(); }
bool is_flag(const json::value& value) { return value.is_bool(); }
bool is_none(const json::value&) { return false; }
bool is_url(const json::value& value) {
    return value.is_string() && value.get_string().starts_with("https://other.test");
}

/// What a member may turn into.
const std::vector<json::value>& values() {
    static const std::vector<json::value> all{
        true,
        7,
        -1.5e300,
        "",
        "x",
        "a\r\nb",
        json::string(100'000, 'x'),
        "https://other.test:8443/a?b=c",
        json::array{},
        json::array{nullptr},
        json::array{json::array{}},
        json::array(2'000, "https://other.test/"),
        json::object{},
        json::object{{"x", json::object{}}}};
    return all;
}

/// `document` with another value at this place; with none the member is gone.
json::object changed(const json::object& document, const std::string& at, const json::value* to) {
    json::value whole = document;
    const auto slash = at.rfind('/');
    json::error_code failed;
    auto& parent = *whole.find_pointer(at.substr(0, slash), failed);
    const auto name = at.substr(slash + 1);
    if (auto* object = parent.if_object()) {
        object->erase(name);
        if (to)
            (*object)[name] = *to;
    } else {
        auto& array = parent.get_array();
        const auto place = array.begin() + std::stoi(name);
        if (to)
            *place = *to;
        else
            array.erase(place);
    }
    return whole.get_object();
}

const std::vector<field> order_fields{
    {"/status", "status", true, is_none},
    {"/expires", "expires", false, is_none},
    {"/identifiers", "identifiers", true, is_none},
    {"/identifiers/0", "identifiers", true, is_none},
    {"/identifiers/0/type", "type", true, is_none},
    {"/identifiers/0/value", "value", true, is_none},
    {"/authorizations", "authorizations", true, is_list},
    {"/authorizations/0", "authorizations", false, is_url},
    {"/finalize", "finalize", true, is_url},
    {"/certificate", "certificate", true, is_url},  // it is valid
    {"/replaces", "replaces", false, is_text},
    {"/error", "error", false, is_object}};

const json::object order_document{
    {"status", "valid"},
    {"expires", "2026-01-31T12:00:00Z"},
    {"identifiers", json::array{{{"type", "dns"}, {"value", "a.test"}}}},
    {"authorizations", json::array{"https://ca.test/authz/1"}},
    {"finalize", "https://ca.test/order/1/finalize"},
    {"certificate", "https://ca.test/certificate/1"},
    {"replaces", id},
    {"error", {{"type", "urn:ietf:params:acme:error:connection"}}}};

const json::object challenge_document{
    {"type", "http-01"},
    {"url", "https://ca.test/challenge/1"},
    {"status", "pending"},
    {"token", "DGyRejmCefe7v4NfDGDKfA_-"},
    {"error", {{"type", "urn:ietf:params:acme:error:connection"}}}};

std::vector<field> challenge_fields(const std::string& at) {
    return {
        {at + "/type", "type", true, is_text},
        {at + "/url", "url", true, is_url},
        {at + "/status", "status", true, is_none},
        {at + "/token", "token", true, is_none},
        {at + "/error", "error", false, is_object}};
}

std::vector<field> authorization_fields() {
    std::vector<field> fields{
        {"/status", "status", true, is_none},          {"/expires", "expires", false, is_none},
        {"/identifier", "identifier", true, is_none},  {"/identifier/type", "type", true, is_none},
        {"/identifier/value", "value", true, is_none}, {"/wildcard", "wildcard", false, is_flag},
        {"/challenges", "challenges", true, is_list},  {"/challenges/0", "challenges", false, is_none}};
    for (auto& one : challenge_fields("/challenges/0"))
        fields.push_back(one);
    return fields;
}

resource directory_of(const scripted_ca& ca) {
    return {
        "directory",
        "/dir",
        {{"newNonce", ca.url("/nonce")},
         {"newAccount", ca.url("/account")},
         {"newOrder", ca.url("/new-order")},
         {"revokeCert", ca.url("/revoke")},
         {"keyChange", ca.url("/key")},
         {"renewalInfo", ca.url("/ari")},
         {"meta",
          {{"termsOfService", "https://ca.test/terms"},
           {"website", "https://ca.test"},
           {"caaIdentities", json::array{"ca.test"}},
           {"externalAccountRequired", true}}}},
        {{"/newNonce", "newNonce", true, is_url},
         {"/newAccount", "newAccount", true, is_url},
         {"/newOrder", "newOrder", true, is_url},
         {"/revokeCert", "revokeCert", true, is_url},
         {"/keyChange", "keyChange", false, is_url},
         {"/renewalInfo", "renewalInfo", false, is_url},
         {"/meta", "meta", false, is_object},
         {"/meta/termsOfService", "termsOfService", false, is_text},
         {"/meta/website", "website", false, is_text},
         {"/meta/caaIdentities", "caaIdentities", false, is_list},
         {"/meta/caaIdentities/0", "caaIdentities", false, is_text},
         {"/meta/externalAccountRequired", "externalAccountRequired", false, is_flag}},
        [](acme::client& client, const scripted_ca&) -> asio::awaitable<void> { co_await client.directory(); }};
}

/// Every document that a client reads.
std::vector<resource> resources(const scripted_ca& ca) {
    return {
        directory_of(ca),
        {"account",
         "/account",
         {{"status", "valid"}, {"contact", json::array{"mailto:ops@a.test"}}},
         {{"/status", "status", true, is_none},
          {"/contact", "contact", false, is_list},
          {"/contact/0", "contact", false, is_text}},
         [](acme::client& client, const scripted_ca&) -> asio::awaitable<void> {
             co_await client.new_account(no_contact, true);
         }},
        {"order", "/new-order", order_document, order_fields,
         [](acme::client& client, const scripted_ca&) -> asio::awaitable<void> { co_await client.new_order(names); }},
        {"order", "/order/1", order_document, order_fields,
         [](acme::client& client, const scripted_ca& ca) -> asio::awaitable<void> {
             co_await client.order(ca.url("/order/1"));
         }},
        {"order", "/finalize/1", order_document, order_fields,
         [](acme::client& client, const scripted_ca& ca) -> asio::awaitable<void> {
             acme::order order;
             order.url = ca.url("/order/1");
             order.finalize = ca.url("/finalize/1");
             co_await client.finalize(order, der);
         }},
        {"authorization",
         "/authz/1",
         {{"status", "pending"},
          {"identifier", {{"type", "dns"}, {"value", "a.test"}}},
          {"wildcard", true},
          {"expires", "2026-01-31T12:00:00+01:00"},
          {"challenges", json::array{challenge_document}}},
         authorization_fields(),
         [](acme::client& client, const scripted_ca& ca) -> asio::awaitable<void> {
             co_await client.authorization(ca.url("/authz/1"));
         }},
        {"challenge", "/challenge/1", challenge_document, challenge_fields(""),
         [](acme::client& client, const scripted_ca& ca) -> asio::awaitable<void> {
             co_await client.challenge_ready(ca.url("/challenge/1"));
         }},
        {"renewal information",
         "/ari/" + id,
         {{"suggestedWindow", {{"start", "2026-06-01T00:00:00Z"}, {"end", "2026-06-02T00:00:00Z"}}},
          {"explanationURL", "https://ca.test/why"}},
         {{"/suggestedWindow", "suggestedWindow", true, is_none},
          {"/suggestedWindow/start", "start", true, is_none},
          {"/suggestedWindow/end", "end", true, is_none},
          {"/explanationURL", "explanationURL", false, is_text}},
         [](acme::client& client, const scripted_ca&) -> asio::awaitable<void> { co_await client.renewal_info(id); }}};
}

/// The directory is kept by a client, so each question has one of its own.
asio::awaitable<std::optional<error>> ask(const scripted_ca& ca, const resource& from) {
    static const private_key key = private_key::generate();
    acme::client client{key, ca.url("/account/1"), ca.options()};
    try {
        co_await from.ask(client, ca);
    } catch (const error& thrown) {
        co_return thrown;
    }
    co_return std::nullopt;
}

/// An error that blames the document by the name of the member, or of one inside of it, in a line that can be shown
/// anywhere.
void check_refused(const std::optional<error>& thrown, const resource& by, const field& member) {
    REQUIRE(thrown);
    const std::string text = thrown->what();
    INFO(text);
    CHECK(thrown->code() == errc::acme_malformed);
    const bool is_challenge = member.at.starts_with("/challenges/0") && contains(text, "the CA's challenge ");
    CHECK((is_challenge || contains(text, "the CA's " + by.what + " ")));
    CHECK(std::any_of(by.fields.begin(), by.fields.end(), [&](const field& each) {
        return each.at.starts_with(member.at) && contains(text, "\"" + each.named + "\"");
    }));
    CHECK(text.size() < 1'000);
    CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
}

void serve(scripted_ca& ca, const resource& to, std::string body) {
    ca.json(to.path, 200, std::move(body), ca.url("/location/1"));
}

asio::awaitable<void> check_sound(scripted_ca& ca, const resource& each) {
    serve(ca, directory_of(ca), json::serialize(directory_of(ca).document));
    serve(ca, each, json::serialize(each.document));
    const auto thrown = co_await ask(ca, each);
    CHECK_FALSE(thrown);
}

asio::awaitable<void> check_member(scripted_ca& ca, const resource& each, const field& member) {
    const json::value null;
    std::vector<const json::value*> all{nullptr, &null};
    for (auto& value : values())
        all.push_back(&value);
    for (const auto* value : all) {
        auto body = json::serialize(changed(each.document, member.at, value));
        INFO(each.path << " " << member.at << ": " << (value ? json::serialize(*value).substr(0, 80) : ""));
        serve(ca, each, std::move(body));
        const auto thrown = co_await ask(ca, each);
        // A null is as good as nothing for a member, but not in a list.
        const bool is_absent = !value || (value->is_null() && !member.at.ends_with("/0"));
        if (is_absent ? !member.required : member.accepts(*value))
            CHECK_FALSE(thrown);
        else
            check_refused(thrown, each, member);
    }
}

}  // namespace

TEST_CASE("every member of every document is refused by its name if it is not what it should be") {
    std::size_t resource_count = 1;
    for (std::size_t i = 0; i < resource_count; ++i) {
        std::size_t member_count = 1;
        // A CA for each, since thousands of connections take a busy machine longer than one coroutine may.
        for (std::size_t j = 0; j < member_count; ++j)
            with_ca([&](scripted_ca& ca) -> asio::awaitable<void> {
                const auto all = resources(ca);
                resource_count = all.size();
                member_count = all[i].fields.size();
                co_await check_sound(ca, all[i]);
                co_await check_member(ca, all[i], all[i].fields[j]);
            });
    }
}
