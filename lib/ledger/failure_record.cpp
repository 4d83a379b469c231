#include "ledger/failure_record.hpp"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/error_name.hpp"
#include "base/wall_time.hpp"

namespace evercert {
namespace {

namespace json = boost::json;

constexpr std::size_t name_size_max = 256;
/// Past that the wait has long been the longest.
constexpr std::int64_t failures_max = 1'000'000;

/// The reason to throw for a record that has no code.
errc code_for(failure_class kind) noexcept {
    switch (kind) {
    case failure_class::name_refused: return errc::name_not_allowed;
    case failure_class::caa:
    case failure_class::dns:
    case failure_class::connection: return errc::authorization_invalid;
    case failure_class::rate_limited: return errc::rate_limited;
    case failure_class::server: return errc::timed_out;
    case failure_class::our_mistake: return errc::invalid_options;
    case failure_class::local:
    case failure_class::cancelled: break;
    }
    return errc::store_failed;
}

std::optional<std::string> text(const json::object& in, std::string_view name, std::size_t size_max) {
    const auto* found = in.if_contains(name);
    std::optional<std::string> result;
    if (!found)
        result.emplace();
    else if (found->is_string() && found->get_string().size() <= size_max)
        result.emplace(found->get_string());
    return result;
}

std::optional<std::int64_t> number(const json::object& in, std::string_view name) {
    const auto* found = in.if_contains(name);
    std::optional<std::int64_t> result;
    if (found && found->is_int64())
        result = found->get_int64();
    return result;
}

std::optional<std::vector<identifier>> read_names(const json::object& in) {
    std::optional<std::vector<identifier>> names{std::in_place};
    const auto* found = in.if_contains("names");
    if (!found)
        return names;
    if (!found->is_array() || found->get_array().size() > failure_names_max)
        return std::nullopt;
    for (const auto& one : found->get_array()) {
        const auto name = one.is_string() ? identifier::parse(one.get_string()) : std::nullopt;
        if (!name)
            return std::nullopt;
        names->push_back(*name);
    }
    return names;
}

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }

bool is_json(const std::string& text) {
    json::error_code wrong;
    json::parse(json::serialize(json::string{text}), wrong);
    return !wrong;
}

/// What an application's solver throws may be anything; a text that is not UTF-8 would make the whole document unreadable.
std::string to_printable(std::string text) {
    std::replace_if(text.begin(), text.end(), is_control, ' ');
    if (!is_json(text))
        std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c >= 0x80; }, '?');
    constexpr std::string_view ellipsis = "…";
    if (text.size() <= failure_text_size_max)
        return text;
    auto size = failure_text_size_max - ellipsis.size();
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80)
        --size;
    text.resize(size);
    return text += ellipsis;
}

}  // namespace

failure_record make_record(const failure& what, wall_time now) {
    failure_record record;
    record.kind = what.kind;
    record.text = to_printable(what.text);
    record.code = to_name(what.code);
    if (what.problem_type.size() <= name_size_max)
        record.problem_type = what.problem_type;
    record.problem_status = what.problem_status;
    record.at = record.retry_at = now;
    return record;
}

json::object to_json(const failure_record& record) {
    json::object object{
        {"class", to_string(record.kind)},
        {"text", record.text},
        {"code", record.code},
        {"at_ms", to_milliseconds(record.at)},
        {"failures", record.failures},
        {"retry_at_ms", to_milliseconds(record.retry_at)}};
    if (!record.problem_type.empty())
        object["problem_type"] = record.problem_type;
    if (record.problem_status != 0)
        object["problem_status"] = record.problem_status;
    if (record.ordered())
        object["ordered_until_ms"] = to_milliseconds(record.ordered_until);
    if (!record.account.empty())
        object["account"] = record.account;
    if (!record.names.empty()) {
        json::array names;
        for (const auto& name : record.names)
            names.emplace_back(name.value());
        object["names"] = std::move(names);
    }
    return object;
}

std::optional<failure_record> read_failure(const json::object& in) {
    const auto kind_text = text(in, "class", name_size_max);
    const auto kind = parse_failure_class(kind_text.value_or(""));
    // The state may have been edited, and this goes into logs.
    auto said = text(in, "text", failure_text_size_max);
    auto code = text(in, "code", name_size_max);
    auto problem_type = text(in, "problem_type", name_size_max);
    auto account = text(in, "account", name_size_max);
    auto names = read_names(in);
    const auto at = number(in, "at_ms");
    const auto retry_at = number(in, "retry_at_ms");
    std::optional<failure_record> record;
    if (!kind || *kind == failure_class::cancelled || !said || std::any_of(said->begin(), said->end(), is_control) ||
        !code || !problem_type || !account || !names || !at || !retry_at)
        return record;
    record.emplace();
    record->kind = *kind;
    record->text = std::move(*said);
    record->code = std::move(*code);
    record->problem_type = std::move(*problem_type);
    record->account = std::move(*account);
    record->names = std::move(*names);
    record->problem_status =
        static_cast<int>(std::clamp<std::int64_t>(number(in, "problem_status").value_or(0), 0, 999));
    record->at = from_milliseconds(*at);
    record->failures = static_cast<int>(std::clamp<std::int64_t>(number(in, "failures").value_or(1), 1, failures_max));
    record->retry_at = std::max(from_milliseconds(*retry_at), record->at);
    if (const auto ordered = number(in, "ordered_until_ms"))
        record->ordered_until = std::min(from_milliseconds(*ordered), record->retry_at);
    return record;
}

std::exception_ptr as_exception(const failure_record& record, wall_time now) {
    const auto ago = std::max<duration>(between(record.at, now), {});
    const auto wait = std::max<duration>(between(now, record.retry_at), {});
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait);
    const auto text = fmt::format("{} (tried {} ago; next attempt in {})", record.text, to_text(ago), to_text(seconds));
    const auto known = parse_error_name(record.code);
    const auto code = known.value_or(make_error_code(code_for(record.kind)));
    if (code.category() != category())
        return std::make_exception_ptr(error{code, text});
    if (record.problem_type.empty())
        return std::make_exception_ptr(error{static_cast<errc>(code.value()), text, seconds});
    problem said;
    said.type = record.problem_type;
    said.status = record.problem_status;
    return std::make_exception_ptr(error{static_cast<errc>(code.value()), text, std::move(said), seconds});
}

}  // namespace evercert
