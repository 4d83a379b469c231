#include "acme/problem.hpp"

#include <algorithm>
#include <array>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "acme/json.hpp"
#include "acme/retry_after.hpp"
#include "http/url.hpp"

namespace evercert::acme {
namespace {

/// URNs and URLs.
constexpr std::size_t type_size_max = 256;
/// Let's Encrypt quotes up to some hundred bytes of what a server answered.
constexpr std::size_t detail_size_max = 4096;
/// One for each name of an order at most.
constexpr std::size_t subproblems_max = 100;
/// So many go into the text of an error; the problem has them all.
constexpr std::size_t subproblems_described_max = 5;
constexpr std::size_t body_shown_max = 200;
/// Rate limits of weeks are real; what is longer is a mistake.
constexpr auto retry_after_max = std::chrono::days{31};

constexpr std::string_view acme_prefix = "urn:ietf:params:acme:error:";

struct advice {
    std::string_view type;
    std::string_view text;
};

/// What its reader can do about an ACME error (RFC 8555, section 6.7).
constexpr std::array advices{
    advice{"accountDoesNotExist", "create an account first, with this CA and this account key"},
    advice{"alreadyReplaced", "another order replaces that certificate: order without `replaces`"},
    advice{"badCSR", "ask for another key type or fewer names"},
    advice{"badPublicKey", "use another type of key"},
    advice{"badSignatureAlgorithm", "use another type of account key"},
    advice{"caa", "let the CA in by a CAA record of the name, or remove those that keep it out"},
    advice{
        "connection", "the CA must reach this server from the Internet: check the name's address, firewall and port"},
    advice{"dns", "check the name's A, AAAA and CAA records and its name servers"},
    advice{"externalAccountRequired", "this CA wants an account of its own first"},
    advice{"incorrectResponse", "the CA reached another server, or one that does not run this manager"},
    advice{"invalidContact", "check the e-mail address"},
    advice{"rejectedIdentifier", "this CA does not issue for the name"},
    advice{"serverInternal", "try again later"},
    advice{"tls", "the CA must reach this server's own TLS port, without a proxy before it that ends TLS"},
    advice{"unsupportedContact", "give an e-mail address"},
    advice{"unsupportedIdentifier", "this CA does not issue for this kind of name"},
    advice{"userActionRequired", "follow the CA's instructions, often new terms of service to agree to"},
};

/// Cut between characters, not inside of one.
std::string cut(std::string_view text, std::size_t size_max) {
    if (text.size() <= size_max)
        return std::string{text};
    auto size = size_max;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80)
        --size;
    return std::string{text.substr(0, size)};
}

std::string text_of(const boost::json::object& object, std::string_view name, std::size_t size_max) {
    const auto* value = object.if_contains({name.data(), name.size()});
    if (!value || !value->is_string())
        return {};
    return cut(value->get_string(), size_max);
}

int status_of(const boost::json::object& object) {
    const auto* value = object.if_contains("status");
    if (!value || !value->is_int64() || value->get_int64() < 100 || value->get_int64() > 999)
        return 0;
    return static_cast<int>(value->get_int64());
}

evercert::problem::subproblem read_subproblem(const boost::json::object& object) {
    evercert::problem::subproblem result;
    result.type = text_of(object, "type", type_size_max);
    result.detail = text_of(object, "detail", detail_size_max);
    if (const auto* name = object.if_contains("identifier"); name && name->is_object())
        result.identifier = text_of(name->get_object(), "value", type_size_max);
    return result;
}

std::string short_type(std::string_view type) {
    if (!type.starts_with(acme_prefix))
        return quoted(type, type_size_max);
    type.remove_prefix(acme_prefix.size());
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    bool is_word = type.find_first_not_of(letters) == std::string_view::npos && !type.empty();
    return is_word ? std::string{type} : quoted(type, type_size_max);
}

std::string advise(const evercert::problem& problem) {
    auto found = std::find_if(advices.begin(), advices.end(), [&](const advice& one) { return problem.is(one.type); });
    std::string text;
    if (found != advices.end())
        text = fmt::format(": {}", found->text);
    if (!problem.instance.empty())
        text += fmt::format(" (see {})", quoted(problem.instance));
    return text;
}

errc to_errc(const evercert::problem& problem) {
    if (problem.is("rateLimited") || problem.status == 429)
        return errc::rate_limited;
    return problem.is("accountDoesNotExist") ? errc::account_does_not_exist : errc::acme_problem;
}

}  // namespace

evercert::problem read_problem(const boost::json::object& object) {
    evercert::problem result;
    result.type = text_of(object, "type", type_size_max);
    if (result.type.empty())
        result.type = "about:blank";
    result.title = text_of(object, "title", type_size_max);
    result.detail = text_of(object, "detail", detail_size_max);
    result.instance = text_of(object, "instance", url_size_max);
    result.status = status_of(object);
    const auto* list = object.if_contains("subproblems");
    if (!list || !list->is_array())
        return result;
    for (auto& entry : list->get_array()) {
        if (result.subproblems.size() == subproblems_max)
            break;
        if (entry.is_object())
            result.subproblems.push_back(read_subproblem(entry.get_object()));
    }
    return result;
}

std::optional<evercert::problem> parse_problem(std::string_view body) {
    try {
        auto object = parse_json_object(body, {"problem document", ""});
        if (text_of(object, "type", 1).empty() && text_of(object, "detail", 1).empty())
            return {};
        return read_problem(object);
    } catch (const error&) {
        return {};
    }
}

std::string describe(const evercert::problem& problem) {
    auto text = short_type(problem.type);
    const auto& detail = problem.detail.empty() ? problem.title : problem.detail;
    if (!detail.empty())
        text += ": " + quoted(detail, 500);
    for (std::size_t i = 0; i < problem.subproblems.size(); ++i) {
        if (i == subproblems_described_max) {
            text += fmt::format("; and {} more", problem.subproblems.size() - i);
            break;
        }
        auto& one = problem.subproblems[i];
        text += fmt::format("; {}: {}: {}", quoted(one.identifier), short_type(one.type), quoted(one.detail));
    }
    return text + advise(problem);
}

error to_error(std::string_view step, std::string_view url, const response& answer, wall_time now) {
    auto wait = parse_retry_after(answer.fields.get("Retry-After"), now, duration::zero(), retry_after_max);
    std::optional<std::chrono::seconds> retry_after;
    std::string later;
    if (wait) {
        retry_after = std::chrono::ceil<std::chrono::seconds>(*wait);
        later = fmt::format("; it wants no other attempt for {} s", retry_after->count());
    }
    auto problem = parse_problem(answer.body);
    if (problem) {
        // The document's own status is advice (RFC 7807, section 3.1).
        problem->status = answer.status;
        auto text = fmt::format(
            "{} refused {} with HTTP {}, {}{}", host_of(url), step, answer.status, describe(*problem), later);
        auto code = to_errc(*problem);
        return error{code, text, std::move(*problem), retry_after};
    }
    evercert::problem unspoken;
    unspoken.type = "about:blank";
    unspoken.status = answer.status;
    auto text = fmt::format(
        "{} answered {} with HTTP {} and without a problem document: {}{}", host_of(url), step, answer.status,
        quoted(answer.body, body_shown_max), later);
    return error{answer.status == 429 ? errc::rate_limited : errc::http_status, text, std::move(unspoken), retry_after};
}

std::string host_of(std::string_view url) {
    auto parsed = parse_url(url);
    return parsed ? parsed->host_field() : quoted(url);
}

}  // namespace evercert::acme
