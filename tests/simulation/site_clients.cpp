// Who asks a site for its names, and for others.

#include <stdexcept>

#include <fmt/format.h>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "site.hpp"

namespace simulation {

namespace {

using namespace std::chrono_literals;
using namespace evercert;

/// A client comes back for a name after so long, at most.
constexpr duration visit_interval = std::chrono::days{4};
/// Some names are wanted more than others: each nth of them, and so often at each visit.
constexpr int popular_every = 10, popular_asks = 24;
/// And for one that was refused.
constexpr duration refused_interval = 2h;

/// Strangers come so often, and so many then: 2,000 in a day.
constexpr duration strangers_interval = 6h;
constexpr std::uint64_t strangers_at_once = 500;
/// Where there is an application to ask, they come for so few names each time, and the manager remembers what it said. Each answer
/// is written to the disk, which costs a hundred times as much as a refusal that is known.
constexpr std::uint64_t asked_names_at_once = 2;
/// Guests come within so long, once the site is there.
constexpr duration guests_come_in = 6h;
/// Each nth of them has no DNS record that leads here.
constexpr std::size_t lost_guest_every = 20;
/// Each nth question is too much for the application.
constexpr std::uint64_t undecided_every = 50;

}  // namespace

void site::add_names() {
    for (int i = 0; i < how.names; ++i) {
        // Each its own registered domain, or all below one.
        names.push_back(fmt::format("www.n{}.{}example", i, how.sort.one_domain ? "big." : ""));
        account.add_name(names.back());
        world.network().name(names.back(), {server.address()});
    }
}

void site::add_guests() {
    for (int i = 0; i < guests_of(how); ++i) {
        const auto name = fmt::format("guest{}.{}.example", i, how.sort.one_domain ? "big" : "guests");
        guests_.insert(name);
        if (guests_.size() % lost_guest_every != 0)
            world.network().name(name, {server.address()});
        const auto comes = std::chrono::duration_cast<duration>(guests_come_in * world.draw_share());
        world.time().call_at(comes, [this, name] { clients_.spawn(visit(*this, name, true)); });
    }
}

asio::awaitable<bool> site::decide(site& self, identifier name) {
    co_await self.server.clock()->sleep_for(20ms);
    if (++self.decided % undecided_every == 0)
        throw std::runtime_error{"the table of customers does not answer"};
    co_return self.guests_.contains(name.value());
}

void site::count_held(const std::string& why) {
    for (const std::string_view limit :
         {"certificates_per_domain", "certificates_per_name_set", "failed_authorizations"})
        if (why.find(limit) != why.npos)
            ++held_by[std::string{limit}];
    if (why.starts_with("our own limit of new host names"))
        ++held_by["new_hosts"];
}

bool site::is_popular(const std::string& name) const {
    // "www.n12.example", and no guest
    return name.starts_with("www.n") && std::stoi(name.substr(name.find(".n") + 2)) % popular_every == 0;
}

asio::awaitable<void> site::visit(site& self, std::string name, bool again) {
    // All at once at first, as when a platform is switched on; then each in its own rhythm.
    for (;;) {
        const bool served = co_await self.ask(name);
        for (int times = 1; times < (served && self.is_popular(name) ? popular_asks : 1); ++times)
            co_await self.ask(name);
        if (served && !again)
            co_return;
        const auto wait = served ? visit_interval : refused_interval;
        co_await self.authority.clock()->sleep_for(
            std::chrono::duration_cast<duration>(wait * self.world.draw_share()) + 10min);
    }
}

asio::awaitable<bool> site::ask(std::string name) {
    if (!manager_)
        co_return false;
    ++asked;
    client_hello hello{name, {}};
    const auto got = co_await as_outcome(manager_->get_certificate(std::move(hello)));
    std::optional<failure> why;
    if (got.thrown)
        why = describe(got.thrown);
    if (why && why->is_cancellation())
        std::rethrow_exception(got.thrown);
    check_served(name, got.value.value_or(nullptr));
    if (why) {
        ++refused;
        if (why->kind == failure_class::rate_limited)
            count_held(why->text);
        co_return false;
    }
    // What it did not serve, or nobody could ask it for, it does not know to be wanted.
    turns_.asked(name, world.time().now());
    co_return true;
}

void site::check_served(const std::string& name, const certificate_ptr& got) {
    const auto newest = newest_.find(name);
    const bool known = newest != newest_.end() && newest->second.not_before != wall_time{};
    if (!known || disk_fails > 0 || unsaved_.contains(name))
        return;
    if (!got && account.calm_for(world.time().now()) >= calm_enough)
        find(check::lost_state, fmt::format("a client that asked for {} was refused", name));
    else if (got && !got->covers(identifier{name}))
        find(check::lost_state, fmt::format("a client that asked for {} got another name's certificate", name));
    else if (got && got->not_before() < newest->second.not_before)
        find(check::lost_state, fmt::format("a client that asked for {} got an earlier certificate", name));
}

asio::awaitable<void> site::ask_once(site& self, std::string name) { co_await self.ask(std::move(name)); }

void site::ask_strangers(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i)
        clients_.spawn(ask_once(*this, stranger()));
}

std::string site::stranger() { return fmt::format("x{:x}.stranger.example", world.draw()); }

void site::expect_strangers() { clients_.spawn(ask_strangers_each_day(*this)); }

asio::awaitable<void> site::ask_strangers_each_day(site& self) {
    for (;;) {
        co_await self.authority.clock()->sleep_for(strangers_interval);
        std::vector<std::string> known;
        while (self.how.sort.admits && known.size() < asked_names_at_once)
            known.push_back(self.stranger());
        // One after another, without a coroutine for each: there are hundreds of thousands in a year.
        for (std::uint64_t i = 0; i < strangers_at_once; ++i) {
            std::string name;
            if (known.empty())
                name = self.stranger();
            else
                name = known[i % known.size()];
            co_await self.ask(std::move(name));
        }
    }
}

}  // namespace simulation
