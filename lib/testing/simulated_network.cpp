#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>

#include <asio/error.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>
#include <evercert/testing/simulated_network.hpp>
#include <evercert/testing/simulated_time.hpp>

#include "base/event.hpp"
#include "base/memory_stream.hpp"
#include "base/seeded.hpp"
#include "testing/simulated_time_core.hpp"

namespace evercert::testing {

namespace {

using asio::ip::address;

constexpr std::uint16_t first_port = 32'768, last_port = 60'999;

/// Linux' longest wait between two retransmissions (TCP_RTO_MAX).
constexpr std::chrono::microseconds retransmission_max = std::chrono::minutes{2};

struct machine {
    std::vector<address> addresses;
    std::shared_ptr<simulated_clock> clock;
    std::uint16_t next_port = first_port;
};

struct pair_of {
    address one, other;
    pair_of(const address& a, const address& b) : one{std::min(a, b)}, other{std::max(a, b)} {}
    friend auto operator<=>(const pair_of& a, const pair_of& b) {
        return std::tie(a.one, a.other) <=> std::tie(b.one, b.other);
    }
};

/// One connection's one direction: what is under way, in order.
struct direction {
    std::deque<std::function<void()>> held;  ///< behind a cut
    duration last_arrival{};
};

struct connection {
    std::uint64_t number = 0;
    machine *from = nullptr, *to = nullptr;
    direction out, back;
    std::function<void()> reset;
};

struct knock {
    explicit knock(asio::any_io_executor executor) : executor{executor}, answered{executor} {}
    asio::any_io_executor executor;
    event answered;
    machine* from = nullptr;
    endpoint own, to;
    std::unique_ptr<stream> opened;
};

struct place {
    explicit place(asio::any_io_executor executor) : knocked{std::move(executor)} {}
    event knocked;
    std::deque<std::shared_ptr<knock>> waiting;
    bool closed = false;

    void close() {
        closed = true;
        knocked.notify_all();
        for (const auto& each : waiting)
            each->answered.notify_all();
    }
};

}  // namespace

struct simulated_network::core {
    core(std::shared_ptr<simulated_time::core> in, std::uint64_t start, bool is_secured)
        : time{std::move(in)}, seed{start}, secured{is_secured} {}

    const std::shared_ptr<simulated_time::core> time;
    std::weak_ptr<simulated_network> self;
    const std::uint64_t seed;
    const bool secured;
    network_conditions how;
    std::list<machine> machines;
    std::map<address, machine*> by_address;
    std::map<std::string, std::vector<address>, std::less<>> names;
    std::map<std::pair<machine*, std::uint16_t>, std::vector<std::pair<endpoint, std::shared_ptr<place>>>> places;
    std::map<address, cut_type> cut_off;
    std::map<pair_of, cut_type> cuts;
    std::list<std::weak_ptr<connection>> connections;
    std::set<duration> releases;  ///< when a machine resumes that something waits for
    std::uint64_t connected = 0, failed = 0;

    machine* at(const address& where) {
        const auto found = by_address.find(where);
        return found == by_address.end() ? nullptr : found->second;
    }
    std::optional<cut_type> cut_between(const machine& a, const machine& b) const;
    std::shared_ptr<place> listening(machine&, const endpoint&);
    duration under_way(const connection&, bool out) const;
    void carry(const std::shared_ptr<connection>&, bool out, std::function<void()> arrive);
    void arrive(const std::shared_ptr<connection>&, bool out, std::function<void()> what);
    void release_when_resumed(const connection&);
    void release_held();
    template <typename Wanted>
    void reset_if(Wanted wanted);
};

std::optional<cut_type> simulated_network::core::cut_between(const machine& a, const machine& b) const {
    if (&a == &b)
        return {};
    for (const auto* each : {&a, &b}) {
        for (const auto& own : each->addresses)
            if (const auto found = cut_off.find(own); found != cut_off.end())
                return found->second;
        if (each->clock->suspended())
            return cut_type::silent;
    }
    if (!cuts.empty())
        for (const auto& one : a.addresses)
            for (const auto& other : b.addresses)
                if (const auto found = cuts.find({one, other}); found != cuts.end())
                    return found->second;
    return {};
}

std::shared_ptr<place> simulated_network::core::listening(machine& on, const endpoint& to) {
    const auto found = places.find({&on, to.port});
    if (found == places.end())
        return nullptr;
    for (const auto& [bound, where] : found->second)
        if (bound.address.is_unspecified() || bound.address == to.address)
            return where;
    return nullptr;
}

duration simulated_network::core::under_way(const connection& on, bool out) const {
    if (on.from == on.to || (how.latency.count() == 0 && how.jitter.count() == 0 && how.loss == 0))
        return {};
    // One draw for everything that is sent in the same moment.
    seeded draws{mixed({seed, on.number, out ? 1U : 2U, static_cast<std::uint64_t>(time->now.count())})};
    duration length = how.latency + std::chrono::duration_cast<duration>(how.jitter * draws.share());
    auto wait = how.retransmission;
    for (; draws.share() < std::min(how.loss, 0.9); wait = std::min(2 * wait, retransmission_max))
        length += wait;
    return length;
}

void simulated_network::core::carry(const std::shared_ptr<connection>& on, bool out, std::function<void()> what) {
    auto& way = out ? on->out : on->back;
    const auto when = std::max(time->now + under_way(*on, out), way.last_arrival);
    way.last_arrival = when;
    if (when <= time->now)
        return arrive(on, out, std::move(what));
    time->call_at(when, [net = self, on, out, what = std::move(what)]() mutable {
        if (const auto there = net.lock())
            there->core_->arrive(on, out, std::move(what));
    });
}

void simulated_network::core::arrive(const std::shared_ptr<connection>& on, bool out, std::function<void()> what) {
    auto& way = out ? on->out : on->back;
    if (way.held.empty() && !cut_between(*on->from, *on->to))
        return what();
    way.held.push_back(std::move(what));
    release_when_resumed(*on);
}

void simulated_network::core::release_when_resumed(const connection& on) {
    for (const auto* each : {on.from, on.to})
        if (each->clock->suspended() && releases.insert(each->clock->resumes_at()).second)
            time->call_at(each->clock->resumes_at(), [net = self] {
                if (const auto there = net.lock()) {
                    there->core_->releases.erase(there->core_->time->now);
                    there->core_->release_held();
                }
            });
}

void simulated_network::core::release_held() {
    for (const auto& each : connections) {
        const auto on = each.lock();
        if (!on || (on->out.held.empty() && on->back.held.empty()))
            continue;
        if (cut_between(*on->from, *on->to)) {
            // The cut may have healed while a machine is suspended, or somebody made the suspension longer.
            release_when_resumed(*on);
            continue;
        }
        for (auto* way : {&on->out, &on->back})
            for (; !way->held.empty(); way->held.pop_front())
                way->held.front()();
    }
}

template <typename Wanted>
void simulated_network::core::reset_if(Wanted wanted) {
    for (const auto& each : connections)
        if (const auto on = each.lock(); on && on->reset && wanted(*on))
            on->reset();
}

/// A machine's own way to the network.
class simulated_network::joined final : public network {
public:
    joined(std::shared_ptr<simulated_network> of, machine& self) : of_{std::move(of)}, self_{self} {}

    asio::awaitable<std::vector<address>> resolve(std::string host) override;
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint) override;
    std::unique_ptr<listener> listen(asio::any_io_executor, endpoint) override;
    bool secured() const noexcept override { return of_->core_->secured; }

private:
    std::uint16_t free_port();

    std::shared_ptr<simulated_network> of_;
    machine& self_;
};

class simulated_network::door final : public listener {
public:
    door(std::shared_ptr<simulated_network> of, machine& on, endpoint at, asio::any_io_executor executor)
        : of_{std::move(of)}, on_{on}, at_{at}, place_{std::make_shared<place>(std::move(executor))} {
        of_->core_->places[{&on_, at.port}].emplace_back(at_, place_);
    }
    ~door() override { close(); }

    asio::awaitable<std::unique_ptr<stream>> accept(asio::any_io_executor) override;
    void close() noexcept override;
    endpoint local_endpoint() const override { return at_; }

private:
    static std::unique_ptr<stream> open(
        const std::shared_ptr<simulated_network>& of, machine& to, knock&, asio::any_io_executor, endpoint at);

    const std::shared_ptr<simulated_network> of_;
    machine& on_;
    const endpoint at_;
    const std::shared_ptr<place> place_;
};

std::unique_ptr<stream> simulated_network::door::open(
    const std::shared_ptr<simulated_network>& of, machine& to, knock& from, asio::any_io_executor executor,
    endpoint at) {
    auto& net = *of->core_;
    const auto made = std::make_shared<connection>();
    made->number = ++net.connected;
    made->from = from.from;
    made->to = &to;
    // The streams keep connection and network for as long as either is there.
    const auto carry = [&](bool out) {
        return [of, made, out](std::function<void()> what) { of->core_->carry(made, out, std::move(what)); };
    };
    memory_stream_options options;
    options.segment = net.how.segment;
    options.first = from.own;
    options.second = {from.to.address, at.port};
    options.to_second = carry(true);
    options.to_first = carry(false);
    auto streams = connect_in_memory(from.executor, std::move(executor), options);
    made->reset = std::move(streams.reset);
    std::erase_if(net.connections, [](const auto& each) { return each.expired(); });
    net.connections.push_back(made);
    seeded draws{mixed({net.seed, made->number})};
    if (made->from != made->to && net.how.resets > 0 && draws.share() < net.how.resets) {
        const auto after = std::chrono::duration_cast<duration>(net.how.reset_within * draws.share());
        net.time->call_at(net.time->now + after, made->reset);
    }
    from.opened = std::move(streams.first);
    from.answered.notify_all();
    return std::move(streams.second);
}

asio::awaitable<std::unique_ptr<stream>> simulated_network::door::accept(asio::any_io_executor executor) {
    const auto here = place_;
    const auto net = of_;
    auto& on = on_;
    const auto at = at_;
    while (here->waiting.empty() && !here->closed)
        co_await here->knocked.wait();
    if (here->closed)
        throw std::system_error{asio::error::operation_aborted};
    const auto next = std::move(here->waiting.front());
    here->waiting.pop_front();
    co_return open(net, on, *next, std::move(executor), at);
}

void simulated_network::door::close() noexcept {
    if (place_->closed)
        return;
    auto& all = of_->core_->places;
    if (const auto found = all.find({&on_, at_.port}); found != all.end()) {
        std::erase_if(found->second, [&](const auto& each) { return each.second == place_; });
        if (found->second.empty())
            all.erase(found);
    }
    place_->close();
}

asio::awaitable<std::vector<address>> simulated_network::joined::resolve(std::string host) {
    const auto net = of_;
    std::error_code not_an_address;
    const auto literal = asio::ip::make_address(host, not_an_address);
    if (!not_an_address)
        co_return std::vector<address>(1, literal);
    if (host == "localhost")
        co_return std::vector<address>(1, self_.addresses.front());
    const auto& names = net->core_->names;
    auto found = names.find(host);
    if (const auto dot = host.find('.'); found == names.end() && dot != host.npos)
        found = names.find("*" + host.substr(dot));
    if (found == names.end())
        found = names.find("*");
    if (found == names.end() || found->second.empty())
        throw error{errc::resolve_failed, quoted(host) + " does not resolve on the simulated network"};
    co_return found->second;
}

std::uint16_t simulated_network::joined::free_port() {
    for (int i = first_port; i <= last_port; ++i) {
        const auto port = self_.next_port;
        self_.next_port = port == last_port ? first_port : port + 1;
        if (!of_->core_->places.contains({&self_, port}))
            return port;
    }
    throw error{errc::listen_failed, "every port of the simulated machine is in use"};
}

asio::awaitable<std::unique_ptr<stream>> simulated_network::joined::connect(endpoint to) {
    const auto executor = co_await asio::this_coro::executor;
    const auto of = of_;
    auto& net = *of->core_;
    auto& self = self_;
    const auto refuse = [&](const char* why) {
        ++net.failed;
        return error{errc::connect_failed, to_string(to) + why};
    };
    if (to.address.is_loopback())
        to.address = self.addresses.front();
    auto* const there = net.at(to.address);
    const auto round_trip = 2 * net.how.latency;
    if (round_trip.count() > 0 && there != &self)
        co_await self.clock->sleep_for(round_trip);
    const auto cut = there ? net.cut_between(self, *there) : cut_type::silent;
    if (cut == cut_type::silent) {
        ++net.failed;
        co_await self.clock->sleep_for(connect_gives_up);
        throw error{errc::connect_failed, to_string(to) + " did not answer"};
    }
    const auto where = cut ? nullptr : net.listening(*there, to);
    if (!where || where->waiting.size() >= backlog_max)
        throw refuse(" refused");
    const auto mine = std::make_shared<knock>(executor);
    mine->from = &self;
    mine->own = {self.addresses.front(), free_port()};
    mine->to = to;
    where->waiting.push_back(mine);
    where->knocked.notify_all();
    while (!mine->opened && !where->closed)
        co_await mine->answered.wait();
    if (!mine->opened)
        throw refuse(" refused");
    co_return std::move(mine->opened);
}

std::unique_ptr<listener> simulated_network::joined::listen(asio::any_io_executor executor, endpoint at) {
    if (at.address.is_loopback())
        at.address = self_.addresses.front();
    const bool everywhere = at.address.is_unspecified();
    if (!everywhere && of_->core_->at(at.address) != &self_)
        throw error{errc::listen_failed, to_string(at) + " is no address of the simulated machine"};
    if (at.port == 0)
        at.port = free_port();
    if (const auto found = of_->core_->places.find({&self_, at.port}); found != of_->core_->places.end())
        for (const auto& [bound, where] : found->second)
            if (everywhere || bound.address.is_unspecified() || bound.address == at.address)
                throw error{errc::listen_failed, to_string(at) + " is in use on the simulated machine"};
    return std::make_unique<door>(of_, self_, at, std::move(executor));
}

simulated_network::simulated_network(std::unique_ptr<core> made) : core_{std::move(made)} {}

simulated_network::~simulated_network() = default;

std::shared_ptr<simulated_network> simulated_network::make(simulated_time& time, std::uint64_t seed, bool secured) {
    const std::shared_ptr<simulated_network> made{
        new simulated_network{std::make_unique<core>(time.core_, seed, secured)}};
    made->core_->self = made;
    return made;
}

std::shared_ptr<network> simulated_network::join(
    std::vector<address> addresses, std::shared_ptr<simulated_clock> clock) {
    if (addresses.empty() || !clock)
        throw error{errc::invalid_options, "a machine joins the simulated network with an address and a clock"};
    for (const auto& each : addresses)
        if (core_->by_address.contains(each))
            throw error{errc::invalid_options, each.to_string() + " is another machine's on the simulated network"};
    auto& made = core_->machines.emplace_back();
    made.addresses = std::move(addresses);
    made.clock = std::move(clock);
    for (const auto& each : made.addresses)
        core_->by_address.emplace(each, &made);
    return std::make_shared<joined>(shared_from_this(), made);
}

void simulated_network::name(std::string host, std::vector<address> addresses) {
    core_->names.insert_or_assign(std::move(host), std::move(addresses));
}

void simulated_network::conditions(const network_conditions& how) { core_->how = how; }

void simulated_network::cut(address off, cut_type how) {
    core_->cut_off.insert_or_assign(off, how);
    if (how == cut_type::refused)
        reset(off);
}

void simulated_network::cut(address one, address other, cut_type how) {
    core_->cuts.insert_or_assign(pair_of{one, other}, how);
    if (how == cut_type::refused)
        core_->reset_if([&](const connection& each) { return core_->cut_between(*each.from, *each.to).has_value(); });
}

void simulated_network::heal(address off) {
    core_->cut_off.erase(off);
    core_->release_held();
}

void simulated_network::heal(address one, address other) {
    core_->cuts.erase({one, other});
    core_->release_held();
}

void simulated_network::reset(address of) {
    const auto found = core_->by_address.find(of);
    if (found == core_->by_address.end())
        return;
    core_->reset_if([self = found->second](const connection& each) { return each.from == self || each.to == self; });
}

std::uint64_t simulated_network::connected() const noexcept { return core_->connected; }

std::uint64_t simulated_network::failed() const noexcept { return core_->failed; }

}  // namespace evercert::testing
