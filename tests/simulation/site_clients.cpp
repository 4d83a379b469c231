// Who asks a site for its names, and for others.

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

}  // namespace

bool site::is_popular(const std::string& name) const {
    // "www.n12.example"
    return std::stoi(name.substr(name.find(".n") + 2)) % popular_every == 0;
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
    if (got.thrown && describe(got.thrown).is_cancellation())
        std::rethrow_exception(got.thrown);
    check_served(name, got.value.value_or(nullptr));
    if (got.thrown) {
        ++refused;
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
        clients_.spawn(ask_once(*this, fmt::format("x{:x}.stranger.example", world.draw())));
}

}  // namespace simulation
