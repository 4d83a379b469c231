#include "manager/admission_desk.hpp"

#include <algorithm>
#include <array>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/within.hpp"

namespace evercert {

admission_desk::answer admission_desk::known(const identifier& name) const {
    if (context_.all.lists(name))
        return answer::yes;
    if (!context_.options.admission)
        return context_.all.admits(name) ? answer::yes : answer::no;
    const auto now = context_.counted_time();
    std::array<std::string, key_kinds> keys;
    for (std::size_t kind = 0; kind < key_kinds; ++kind)
        keys[kind] = certificate_key({name}, static_cast<key_kind>(kind));
    const auto known = context_.all.with_failures([&](const failure_book& book) {
        if (book.find(key_of(name), now))
            return answer::no;
        const bool failed = std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return book.last(key); });
        return failed ? answer::yes : answer::ask;
    });
    if (known != answer::ask)
        return known;
    const bool there = std::any_of(
        keys.begin(), keys.end(), [&](const auto& key) { return context_.all.certificate(key).has_value(); });
    return there || remembers(name) ? answer::yes : answer::ask;
}

bool admission_desk::remembers(const identifier& name) const {
    const std::lock_guard lock{mutex_};
    const auto found = admitted_.find(name.value());
    return found != admitted_.end() && context_.options.clock->steady() < found->second;
}

void admission_desk::remember(const identifier& name) {
    const auto now = context_.options.clock->steady();
    const auto until = now + context_.options.refusal_memory;
    const std::lock_guard lock{mutex_};
    admitted_.insert_or_assign(name.value(), until);
    oldest_.emplace_back(name.value(), until);
    while (!oldest_.empty() &&
           (oldest_.size() > context_.options.failures_remembered_max || oldest_.front().second <= now)) {
        const auto& [first, its_end] = oldest_.front();
        if (const auto found = admitted_.find(first); found != admitted_.end() && found->second <= its_end)
            admitted_.erase(found);
        oldest_.pop_front();
    }
}

void admission_desk::forget(const identifier& name) {
    const std::lock_guard lock{mutex_};
    if (const auto found = admitted_.find(name.value()); found != admitted_.end())
        found->second = {};
}

error admission_desk::refusal(const identifier& name) const {
    return {
        errc::name_not_allowed,
        name.value() + " is not admitted: " +
            (context_.options.admission ? "manager_options::admission said no"
                                        : "it is not in the host list, set_hosts()")};
}

asio::awaitable<void> admission_desk::admit(identifier name) {
    auto answered = known(name);
    if (answered == answer::ask) {
        const bool admitted = co_await ask(name);
        answered = admitted ? answer::yes : answer::no;
    }
    if (answered == answer::yes)
        co_return;
    context_.tell(event_type::refused, {name});
    throw refusal(name);
}

asio::awaitable<bool> admission_desk::ask(identifier name) {
    // The application may have stored a lambda: its captures live in the options, which outlive the call.
    auto decision = context_.options.admission(name);
    auto what = "deciding on " + name.value();
    const bool admitted = co_await within(
        *context_.options.clock, context_.options.admission_timeout, std::move(what), std::move(decision));
    if (admitted) {
        remember(name);
        co_return true;
    }
    const auto key = key_of(name);
    const auto now = context_.counted_time();
    failure refused;
    refused.code = errc::name_not_allowed;
    refused.text = "the application does not admit " + name.value();
    refused.kind = failure_class::name_refused;
    context_.all.with_failures(
        [&](failure_book& book) { book.refuse(key, refused, now, now + context_.options.refusal_memory); });
    context_.save_failures();
    co_return false;
}

}  // namespace evercert
