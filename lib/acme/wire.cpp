#include "acme/wire.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "acme/base64url.hpp"
#include "acme/json.hpp"
#include "acme/problem.hpp"

namespace evercert::acme {
namespace {

/// Let's Encrypt takes 100 names in one order; nobody's certificate has more than some hundreds.
constexpr std::size_t names_max = 1000;
/// There are five types of challenges in 2026.
constexpr std::size_t challenges_max = 32;
constexpr std::size_t contacts_max = 64;
constexpr std::size_t caa_identities_max = 64;
/// Types and states are words.
constexpr std::size_t word_size_max = 64;
constexpr std::size_t contact_size_max = 1024;
/// A DNS name has 253 characters.
constexpr std::size_t name_size_max = 255;
constexpr std::size_t token_size_min = 22;
/// In tls-alpn-01 and http-01 a token is at most a label or a file name long in practice; this is generous.
constexpr std::size_t token_size_max = 512;

/// A key identifier and a serial number have 20 bytes each as a rule, 27 characters.
constexpr std::size_t certificate_id_size_max = 255;

template <typename Status, std::size_t N>
Status read_status(const json_reader& document, const std::array<Status, N>& known) {
    auto text = document.text("status", word_size_max);
    for (auto status : known)
        if (to_string(status) == text)
            return status;
    document.fail(fmt::format("has a \"status\" that RFC 8555 does not know: {}", quoted(text)));
}

std::vector<std::string> read_texts(
    const json_reader& document, std::string_view name, std::size_t count_max, std::size_t size_max) {
    std::vector<std::string> texts;
    const auto* list = document.optional_list(name, count_max);
    if (!list)
        return texts;
    for (auto& entry : *list) {
        if (!entry.is_string() || entry.get_string().size() > size_max)
            document.fail(
                fmt::format("has an entry in \"{}\" that is not a string of at most {} bytes", name, size_max));
        texts.emplace_back(entry.get_string());
    }
    return texts;
}

/// Section 9.7.7 and RFC 8738.
identifier read_identifier(const json_reader& document) {
    auto type = document.text("type", word_size_max);
    auto value = document.text("value", name_size_max);
    auto parsed = identifier::parse(value);
    auto kind = type == "ip" ? identifier::kind::ip : identifier::kind::dns;
    if (type != "dns" && type != "ip")
        document.fail(fmt::format("has an identifier with a \"type\" that is not known here: {}", quoted(type)));
    if (!parsed || parsed->type() != kind)
        document.fail(
            fmt::format("has an identifier with a \"value\" that is no name of the type {}: {}", type, quoted(value)));
    return *parsed;
}

challenge read_challenge(const json_reader& document) {
    constexpr std::array statuses{
        challenge_status::pending, challenge_status::processing, challenge_status::valid, challenge_status::invalid};
    constexpr std::array<std::string_view, 3> with_token{"http-01", "tls-alpn-01", "dns-01"};
    challenge result;
    result.type = document.text("type", word_size_max);
    result.url = document.url("url");
    result.status = read_status(document, statuses);
    bool needs_token = std::find(with_token.begin(), with_token.end(), result.type) != with_token.end();
    // What another type means by "token" is not known here.
    if (needs_token) {
        result.token = document.text("token", token_size_max);
        if (!is_token(result.token))
            document.fail("has a \"token\" that is not one (RFC 8555, section 8.1): " + quoted(result.token));
    }
    if (const auto* failed = document.optional_object("error"))
        result.error = read_problem(*failed);
    return result;
}

}  // namespace

acme::directory parse_directory(std::string_view body, std::string_view url) {
    json_source source{"directory", url};
    auto object = parse_json_object(body, source);
    json_reader document{object, source};
    acme::directory result;
    result.new_nonce = document.url("newNonce");
    result.new_account = document.url("newAccount");
    result.new_order = document.url("newOrder");
    result.revoke_cert = document.url("revokeCert");
    result.key_change = document.optional_url("keyChange").value_or("");
    result.renewal_info = document.optional_url("renewalInfo").value_or("");
    const auto* meta = document.optional_object("meta");
    if (!meta)
        return result;
    json_reader about{*meta, source};
    result.terms_of_service = about.optional_text("termsOfService", url_size_max);
    result.website = about.optional_text("website", url_size_max);
    result.caa_identities = read_texts(about, "caaIdentities", caa_identities_max, name_size_max);
    result.external_account_required = about.flag("externalAccountRequired");
    return result;
}

acme::account parse_account(std::string_view body, std::string url) {
    constexpr std::array statuses{account_status::valid, account_status::deactivated, account_status::revoked};
    json_source source{"account", url};
    auto object = parse_json_object(body, source);
    json_reader document{object, source};
    acme::account result;
    result.status = read_status(document, statuses);
    result.contact = read_texts(document, "contact", contacts_max, contact_size_max);
    result.url = std::move(url);
    return result;
}

acme::order parse_order(std::string_view body, std::string url) {
    constexpr std::array statuses{
        order_status::pending, order_status::ready, order_status::processing, order_status::valid,
        order_status::invalid};
    json_source source{"order", url};
    auto object = parse_json_object(body, source);
    json_reader document{object, source};
    acme::order result;
    result.status = read_status(document, statuses);
    for (const auto* name : document.objects("identifiers", names_max))
        result.identifiers.push_back(read_identifier({*name, source}));
    if (result.identifiers.empty())
        document.fail("is for no name: \"identifiers\" is empty");
    for (auto& entry : document.list("authorizations", names_max)) {
        if (!entry.is_string() || !is_https_url(entry.get_string()))
            document.fail("has an entry in \"authorizations\" that is not an https URL");
        result.authorizations.emplace_back(entry.get_string());
    }
    result.finalize = document.url("finalize");
    result.certificate = document.optional_url("certificate").value_or("");
    if (result.status == order_status::valid && result.certificate.empty())
        document.fail("is \"valid\" and has no \"certificate\"");
    result.replaces = document.optional_text("replaces", certificate_id_size_max).value_or("");
    result.expires = document.optional_time("expires");
    if (const auto* failed = document.optional_object("error"))
        result.error = read_problem(*failed);
    result.url = std::move(url);
    return result;
}

acme::authorization parse_authorization(std::string_view body, std::string url) {
    constexpr std::array statuses{authorization_status::pending, authorization_status::valid,
                                  authorization_status::invalid, authorization_status::deactivated,
                                  authorization_status::expired, authorization_status::revoked};
    json_source source{"authorization", url};
    auto object = parse_json_object(body, source);
    json_reader document{object, source};
    acme::authorization result;
    result.status = read_status(document, statuses);
    const auto* name = document.optional_object("identifier");
    if (!name)
        document.fail("has no \"identifier\"");
    result.identifier = read_identifier({*name, source});
    // Section 7.1.4: the asterisk is left out, "wildcard" says it.
    if (result.identifier->is_wildcard())
        document.fail("has a wildcard in \"identifier\": " + quoted(result.identifier->value()));
    result.wildcard = document.flag("wildcard");
    for (const auto* offer : document.objects("challenges", challenges_max))
        result.challenges.push_back(read_challenge({*offer, {"challenge", url}}));
    result.expires = document.optional_time("expires");
    result.url = std::move(url);
    return result;
}

acme::challenge parse_challenge(std::string_view body, std::string_view url) {
    json_source source{"challenge", url};
    auto object = parse_json_object(body, source);
    return read_challenge({object, source});
}

acme::renewal_info parse_renewal_info(std::string_view body, std::string_view url) {
    json_source source{"renewal information", url};
    auto object = parse_json_object(body, source);
    json_reader document{object, source};
    const auto* window = document.optional_object("suggestedWindow");
    if (!window)
        document.fail("has no \"suggestedWindow\"");
    json_reader bounds{*window, source};
    acme::renewal_info result;
    result.start = bounds.time("start");
    result.end = bounds.time("end");
    // Section 4.2: no better than no answer.
    if (result.end <= result.start)
        document.fail("has a \"suggestedWindow\" that does not end after its \"start\"");
    auto page = document.optional_text("explanationURL", url_size_max);
    // The window must not be lost for a page that nobody may follow a link to.
    if (page && is_https_url(*page))
        result.explanation_url = std::move(page);
    return result;
}

bool is_certificate_id(std::string_view text) noexcept {
    auto period = text.find('.');
    return period != std::string_view::npos && text.size() <= certificate_id_size_max &&
        is_base64url(text.substr(0, period)) && is_base64url(text.substr(period + 1));
}

bool is_token(std::string_view text) noexcept {
    return text.size() >= token_size_min && text.size() <= token_size_max && is_base64url(text);
}

void check_chain(std::string_view pem, std::string_view url) {
    constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----";
    constexpr std::string_view end = "-----END CERTIFICATE-----";
    constexpr std::string_view blank = "\r\n";
    constexpr std::string_view inside = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n";
    json_source source{"certificate chain", url};
    if (pem.find_first_not_of(blank) == std::string_view::npos)
        throw_malformed(source, "is empty");
    auto rest = pem;
    while (rest.find_first_not_of(blank) != std::string_view::npos) {
        rest.remove_prefix(rest.find_first_not_of(blank));
        auto close = rest.find(end);
        bool is_whole = rest.starts_with(begin) && close != std::string_view::npos &&
            rest.substr(begin.size(), close - begin.size()).find_first_not_of(inside) == std::string_view::npos;
        if (!is_whole)
            throw_malformed(source, "has something else than certificates in PEM: " + quoted(rest, word_size_max));
        rest.remove_prefix(close + end.size());
    }
}

}  // namespace evercert::acme
