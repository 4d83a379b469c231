#include "site.hpp"

#include <algorithm>
#include <random>

#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <evercert/file_store.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/wall_time.hpp"
#include "faults.hpp"

namespace simulation {

namespace {

using namespace std::chrono_literals;
using namespace evercert;

constexpr const char *folder_above = "/var/lib", *folder = "/var/lib/evercert";
/// Within which all are to be replaced that the CA brings forward.
constexpr duration forward_length = 10min;
/// Each of so many names has no visitor after the first one: it must be renewed all the same.
constexpr int names_a_quiet_one = 5;

testing::world_options world_options(const options& how) {
    testing::world_options made;
    made.seed = how.seed;
    made.tls = how.tls;
    return made;
}

evercert::rate orders_of(const options& how) {
    evercert::rate orders = manager_options{}.orders;
    if (how.names > 1000)  // as an operator of so many has to
        orders = {36s, 20};
    if (how.order_minutes > 0)
        orders = {std::chrono::seconds{static_cast<long>(how.order_minutes * 60)}, 2};
    return orders;
}

/// How often the slowest limit lets one order through, ours or the CA's.
duration slowest_turn(const options& how) {
    const auto limit = lets_encrypt_limits().orders;
    return std::max<duration>(orders_of(how).interval, limit.window / limit.count);
}

/// How long the first certificates take for the CA's limit on those of a registered domain.
duration until_all_are_new(const options& how) {
    const auto limit = lets_encrypt_limits().certificates_per_domain;
    const auto all = how.sort.one_domain ? how.names + guests_of(how) : 0;
    const auto at_once = limit.count * (100 - lets_encrypt_limits().renewal_reserve_percent) / 100;
    return std::max(0, all - at_once) * duration{limit.window} / limit.count;
}

std::string hours(duration length) {
    return fmt::format("{:.1f} h", std::chrono::duration<double, std::ratio<3600>>{length}.count());
}

}  // namespace

/// From the options of manager and CA, and the plan of faults.
recovery site::after(aftermath left) const {
    manager_options manager;
    manager.orders = orders_of(how);
    recovery all;
    const auto add = [&](duration length, std::string_view what) {
        all.length += length;
        all.made_of += fmt::format("{}{} {}", all.made_of.empty() ? "" : " + ", hours(length), what);
    };
    const auto limits = lets_encrypt_limits();
    duration longest{left.disk_alone ? manager.retry.local.most : 0ms};
    for (std::size_t i = 0; i < failure_class_count && !left.disk_alone; ++i)
        if (const auto kind = static_cast<failure_class>(i); provoked(how.faults, kind, left))
            longest = std::max<duration>(longest, manager.retry.of(kind).most);
    add(longest + longest / 10, "largest backoff with its jitter");
    if (left.retry_after)
        add(retry_after_longest(how.faults), "longest Retry-After");
    const auto all_names = how.names + guests_of(how);
    add(all_names * slowest_turn(how), fmt::format("for {} names before in the queue", all_names));
    if (!left.disk_alone)
        add(limits.certificates_per_name_set.window / limits.certificates_per_name_set.count,
            "until the CA issues for the same names again");
    add(manager.clock_check_interval + manager.order_timeout + clock::slice, "to look at the clock, and for the order");
    return all;
}

site::site(const options& wanted)
    : how{wanted},
      world{world_options(wanted)},
      authority{world.add_machine("ca.test")},
      validator{world.add_machine("validator.ca.test")},
      server{world.add_machine("server.test")},
      disk{std::mt19937_64{wanted.seed}},
      ca{world.executor(), ca_options()},
      account{world.time().now(), {}},
      promised_end_{slowest_turn(wanted)},
      clients_{world.executor()},
      pace_{orders_of(wanted).interval, orders_of(wanted).burst, manager_options{}.order_timeout},
      promises_{manager_options{}.clock_tolerance} {
    account = accounting{world.time().now(), after({}).length + until_all_are_new(how)};
    add_names();
    ca.faults().renewal_info_retry_after(std::to_string(static_cast<long>(how.poll_hours * 3600)));
    disk.create_folder(folder_above);
    start();
    for (int i = 0; i < how.names; ++i)
        clients_.spawn(
            visit(*this, names[static_cast<std::size_t>(i)], i % names_a_quiet_one != names_a_quiet_one - 1));
    if (how.sort.admits)
        add_guests();
    look_each_day();
}

site::~site() {
    clients_.close();
    if (manager_)
        stop(end_type::stop);
    ca.stop();
    world.time().pass(1s);
}

testing::acme_server_options site::ca_options() {
    auto options = authority.ca_options(validator);
    options.lifetime = std::chrono::days{how.lifetime_days};
    options.limits = lets_encrypt_limits();
    options.reuse_authorizations = false;
    options.issued = [this](const testing::issued_certificate& made) {
        ++issued_;
        take_turn(made.names.front().value());
        accounts_.insert(made.account);
        // Without power there is nobody who could get it.
        if (unreadable == 0 && !disk.is_off())
            unpublished_.emplace(made.serial, issue{made.names.front().value(), world.time().now()});
    };
    options.ordered = [this](const testing::placed_order& placed) { ordered(placed); };
    return options;
}

std::shared_ptr<store> site::open_store() {
    file_store_options options;
    options.clock = server.clock();
    options.disk = process_;
    options.blocking_executor = server.blocking().get_executor();
    return file_store(folder, std::move(options));
}

bool site::start() {
    process_ = disk.process();
    auto options = server.manager_options(ca);
    options.limits = lets_encrypt_limits();
    options.orders = orders_of(how);
    if (how.sort.admits)
        options.admission = [this](const identifier& name) { return decide(*this, name); };
    try {
        options.store = open_store();
    } catch (const error& why) {
        world.note("cannot start");
        return false;
    }
    manager_.emplace(world.executor(), std::move(options));
    fresh_.clear();
    std::vector<identifier> list;
    for (const auto& each : names)
        list.emplace_back(each);
    manager_->set_hosts(std::move(list));
    tasks_.emplace(world.executor(), [](std::exception_ptr why) { std::rethrow_exception(why); });
    tasks_->spawn(listen(*this, manager_->events()));
    tasks_->spawn(serve(*this));
    return true;
}

asio::awaitable<void> site::serve(site& self) { co_await self.manager_->serve(); }

asio::awaitable<void> site::listen(site& self, event_stream events) {
    try {
        for (;;)
            self.heard(co_await events.next());
    } catch (const error& end) {
        if (end.code() != errc::stopped)
            throw;
    }
}

void site::trouble_begins(std::string_view what) {
    world.note(fmt::format("begins: {}", what));
    account.trouble_begins(world.time().now());
    promised_end_.end();
}

void site::trouble_ends(std::string_view what, aftermath left) {
    world.note(fmt::format("ends: {}", what));
    account.trouble_ends(world.time().now(), after(left).length);
}

void site::heard(const manager_event& event) {
    std::string name = event.names.empty() ? "" : event.names.front().value();
    if (event.type == event_type::renewed)
        ++renewed;
    note_turn(name, event);
    note_saving(name, event);
    if (event.type == event_type::published || event.type == event_type::rolled_back) {
        promises_.end(name);
        if (const auto now = manager_->find(identifier{name})) {
            account.add_name(name, world.time().now());
            if (!event.serial.empty() && now->serial() != event.serial)
                find(
                    check::lost_state,
                    fmt::format("{} was published for {}, and {} is served", event.serial, name, now->serial()));
            account.published(name, world.time().now(), now->not_after());
            newest_[name] = {now->not_before(), now->not_after()};
            unsaved_.erase(name);
            unpublished_.erase(now->serial());
            if (const auto wanted = to_replace_.find(name);
                wanted != to_replace_.end() && now->not_before() >= wanted->second.begin)
                to_replace_.erase(wanted);
        }
    }
    if (event.type == event_type::retry_planned)
        promise(name, event);
    if (event.type == event_type::forgotten && newest_.contains(name))
        if (const auto end = newest_[name].not_after + manager_options{}.expired_kept; world.time().now() < end)
            find(check::lost_state, fmt::format("{} was removed, and was to be kept until {}", name, to_rfc3339(end)));
    if (event.type == event_type::forgotten)
        newest_.erase(name);
    world.note(fmt::format(
        "{} {}{}", to_string(event.type), name,
        event.failure ? " " + std::string{to_string(*event.failure)} + ": " + event.text : ""));
}

void site::bring_windows_forward() {
    // By then each has been asked for, with a day to spare.
    const auto start = std::chrono::floor<std::chrono::seconds>(world.time().now()) + renewal_info_wait(how) + 24h;
    brought_forward_ = span{start, start + forward_length};
    ca.renewal_windows(brought_forward_->begin, brought_forward_->end);
    want_all_replaced(brought_forward_->end);
    replacing_since_ = brought_forward_->begin;
}

int site::revoke_all() {
    const auto now = std::chrono::floor<std::chrono::seconds>(world.time().now());
    revoked_ = span{now - 1h, now};
    want_all_replaced(now);
    return ca.faults().revoke_all();
}

void site::want_all_replaced(wall_time end) {
    promised_end_.end();
    replacing_since_ = world.time().now();
    for (const auto& [name, newest] : newest_)
        to_replace_.insert_or_assign(name, span{std::chrono::floor<std::chrono::seconds>(world.time().now()), end});
}

void site::windows_are_strange(bool begin) {
    strange_windows_ += begin ? 1 : -1;
    windows_seen_since_ = world.time().now();
    promised_end_.end();
}

void site::note_turn(const std::string& name, const manager_event& event) {
    if (event.type == event_type::failed || event.type == event_type::published)
        turns_.left(name);
    if (event.type == event_type::failed)
        promised_end_.left(name);
    if (event.type != event_type::renewal_suggested || !event.next)
        return;
    const auto known = manager_->status(identifier{name});
    if (!known || known->next != next_act::renew || !known->next_at || !known->not_after)
        return;
    // Others are as long as the CA makes them: a fiftieth of the lifetime.
    auto end = *event.next + (*known->not_after - *known->not_before) / 50;
    for (const auto& moved : {brought_forward_, revoked_})
        if (moved && std::chrono::floor<std::chrono::seconds>(*event.next) == moved->begin)
            end = moved->end;
    // One that was over before there was a certificate says nothing of it: that goes by its own end.
    if (end <= *known->not_before)
        end = *known->not_after;
    turns_.due(name, std::max(world.time().now(), *known->next_at), end);
}

void site::take_turn(const std::string& name) {
    const auto now = world.time().now();
    const auto known = manager_ ? manager_->status(identifier{name}) : std::nullopt;
    // What is about to end goes before all others, and in a trouble each tries as it can.
    const bool ending =
        !known || !known->not_after || *known->not_after - now < (*known->not_after - *known->not_before) / 20;
    if (ending || account.calm_for(now) < calm_enough)
        return turns_.left(name);
    const auto before = turns_.out_of_turn();
    turns_.went(name, now, [this](const std::string& other) {
        const auto its = manager_->status(identifier{other});
        return its && its->state == certificate_state::renewing;
    });
    if (turns_.out_of_turn() > before)
        find(check::out_of_turn, fmt::format("{} went before {}", name, turns_.instead_of()));
}

}  // namespace simulation
