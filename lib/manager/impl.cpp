#include "manager/impl.hpp"

#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/within.hpp"

namespace evercert {
namespace {

void check(const manager_options& options) {
    const auto require = [](bool fulfilled, const char* text) {
        if (!fulfilled)
            throw error{errc::invalid_options, text};
    };
    require(!options.challenges.empty(), "manager_options::challenges is empty: name at least one");
    require(
        options.clock && options.network && options.disk, "manager_options::clock, network and disk must not be null");
    require(
        options.certificate_key != key_type::ed25519,
        "manager_options::certificate_key: public CAs do not sign Ed25519 keys");
    require(
        options.account_key != key_type::ed25519, "manager_options::account_key: most CAs do not take Ed25519 keys");
    require(
        options.orders.interval.count() >= 0 && options.orders.burst > 0,
        "manager_options::orders needs a burst of 1 or more");
    require(
        options.new_hosts.interval.count() >= 0 && options.new_hosts.burst > 0,
        "manager_options::new_hosts needs a burst of 1 or more");
    require(
        options.waiters_max > 0 && options.waiters_per_name_max > 0, "manager_options::waiters_max must be 1 or more");
    require(options.orders_in_progress_max > 0, "manager_options::orders_in_progress_max must be 1 or more");
    require(options.order_timeout.count() > 0, "manager_options::order_timeout must be longer than 0");
    require(
        options.order_ceiling.count >= 0 && options.order_ceiling.window.count() >= 0,
        "manager_options::order_ceiling must not be negative: 0 is no limit");
    require(
        options.renewal_info_polls.interval.count() >= 0 && options.renewal_info_polls.burst > 0,
        "manager_options::renewal_info_polls needs a burst of 1 or more");
    require(options.clock_tolerance.count() > 0, "manager_options::clock_tolerance must be longer than 0");
    require(options.clock_check_interval.count() > 0, "manager_options::clock_check_interval must be longer than 0");
    require(options.lock_wait.count() > 0, "manager_options::lock_wait must be longer than 0");
    require(options.admission_timeout.count() > 0, "manager_options::admission_timeout must be longer than 0");
    require(options.expired_kept.count() >= 0, "manager_options::expired_kept must not be negative");
    require(options.events_waiting_max > 0, "manager_options::events_waiting_max must be 1 or more");
    require(options.parsed_certificates_max > 0, "manager_options::parsed_certificates_max must be 1 or more");
    if (options.limits)
        require(
            options.limits->renewal_reserve_percent >= 0 && options.limits->renewal_reserve_percent <= 90,
            "ca_limits::renewal_reserve_percent is a share from 0 to 90");
    account_key(options.directory_url);
}

manager_options checked(manager_options options) {
    check(options);
    if (!options.store)
        options.store = memory_store(options.clock);
    return options;
}

state::bounds bounds_of(const manager_options& options) {
    state::bounds bounds;
    bounds.limits = options.limits.value_or(known_limits(options.directory_url));
    bounds.retry = options.retry;
    bounds.failures_max = options.failures_remembered_max;
    return bounds;
}

/// A socket for both families shows IPv4 addresses as IPv6 ones (RFC 4291, section 2.5.5.2).
asio::ip::address plain_address(const asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    return address;
}

issuer make_issuer(
    const manager_options& options, std::shared_ptr<tls_alpn_solver> tls_alpn_01, std::shared_ptr<http_solver> http_01,
    logger log) {
    std::vector<std::shared_ptr<solver>> solvers;
    solvers.push_back(std::move(tls_alpn_01));
    solvers.push_back(std::move(http_01));
    return issuer{
        std::move(solvers), options.clock, std::move(log),
        issuer_options{options.challenges, options.order_timeout, options.clock_tolerance}};
}

}  // namespace

manager::impl::impl(asio::any_io_executor given, manager_options chosen)
    : options{checked(std::move(chosen))},
      executor{given},
      strand{asio::make_strand(given)},
      log{options.log},
      blocking{std::make_shared<worker>(options.blocking_executor)},
      watch{given},
      events{options.events_waiting_max},
      all{options.directory_url, bounds_of(options)},
      index{
          options.parsed_certificates_max,
          [this](const held_ptr& damaged, const error& why) { shelf.drop_damaged(damaged, why); }},
      http_01{std::make_shared<http_solver>()},
      tls_alpn_01{std::make_shared<tls_alpn_solver>(options.clock)},
      tasks{strand, report_failures()},
      safe{
          strand,
          options.store,
          all,
          watch,
          events,
          options.clock,
          {options.store_timeout, options.lock_wait, options.clock_tolerance},
          log},
      draws{options.seed ? *options.seed : unknown_seed()},
      context{strand, options, tasks, all, safe, events, log, draws},
      accounts{context, blocking},
      clock{context, accounts},
      limits{context},
      plan{context},
      on_trial{options.rejections_max},
      shelf{context, index, plan, on_trial},
      orders{context, accounts, clock, limits, blocking, make_issuer(options, tls_alpn_01, http_01, log)},
      certificates{context, shelf, orders, accounts, clock, limits, plan},
      renewals{context, index, certificates, shelf, accounts, clock, limits, plan},
      changed{strand} {}

void manager::impl::start() { tasks.keep_alive(weak_from_this()); }

void manager::impl::check_running() const {
    if (stopping)
        throw error{errc::stopped, "the manager was stopped"};
}

void manager::impl::rethrow(std::exception_ptr thrown) const {
    // What stop() cancels was not cancelled by its caller.
    if (stopping && describe(thrown).is_cancellation())
        throw error{errc::stopped, "the manager was stopped"};
    std::rethrow_exception(thrown);
}

// Certificates.

asio::awaitable<certificate_ptr> manager::impl::obtain(std::vector<identifier> names) {
    if (names.empty() || names.size() > names_max)
        throw error{
            errc::invalid_options, fmt::format("a certificate has 1 to {} names, not {}", names_max, names.size())};
    certificate_ptr known;
    if (names.size() == 1)
        known = index.find(names.front());
    else if (const auto record = all.certificate(certificate_key(names)))
        known = parsed_or_dropped(record->certificate);
    if (is_current(known))
        co_return known;
    co_return co_await certificates.obtain(std::move(names));
}

certificate_ptr manager::impl::parsed_or_dropped(const held_ptr& held) {
    try {
        return held->get();
    } catch (const error& e) {
        shelf.drop_damaged(held, e);
    }
    return nullptr;
}

asio::awaitable<certificate_ptr> manager::impl::obtain_for_handshake(identifier name) {
    co_return co_await certificates.obtain_for_handshake(std::move(name));
}

manager::impl::looked_up manager::impl::look_up(const client_hello& hello) {
    if (hello.is_challenge()) {
        auto answer = tls_alpn_01->find(hello.server_name);
        if (!answer)
            throw error{errc::no_challenge, "no validation of " + quoted(hello.server_name) + " is in progress"};
        return {std::move(answer), {}};
    }
    if (hello.server_name.empty()) {
        const auto address = identifier::parse(plain_address(hello.local.address).to_string());
        auto by_address = address ? index.find(*address) : nullptr;
        if (!by_address)
            throw error{errc::no_server_name, "the client sent no server name"};
        return {std::move(by_address), {}};
    }
    auto name = identifier::parse(hello.server_name);
    // Names of the reverse tree are for validations of addresses alone (RFC 8738, section 6).
    if (!name || name->type() == identifier::kind::ip || name->is_wildcard() || from_reverse_arpa(name->value()))
        throw error{
            errc::invalid_identifier, quoted(hello.server_name) + " is not a name that a certificate can be for"};
    auto found = index.find(*name);
    return {std::move(found), std::move(name)};
}

asio::awaitable<certificate_ptr> manager::impl::get_certificate(client_hello hello) {
    const auto self = shared_from_this();
    auto known = look_up(hello);
    if (is_current(known.found))
        co_return known.found;
    if (!known.name)
        throw error{errc::certificate_expired, "the certificate of this address has expired"};
    auto work = enter(self, obtain_for_handshake(*known.name));
    auto what = "obtaining a certificate for " + known.name->value();
    auto result = co_await as_outcome(within(*options.clock, options.handshake_wait, std::move(what), std::move(work)));
    // Better an expired certificate than none: some clients take it, and the others learn what is wrong.
    if (result.thrown && known.found && !describe(result.thrown).is_cancellation())
        co_return known.found;
    co_return result.get();
}

bool manager::impl::is_current(const certificate_ptr& cert) const {
    return cert && cert->not_after() > options.clock->wall();
}

context_lookup manager::impl::lookup_for_context() {
    // The context may outlive the manager.
    return [weak = weak_from_this()](const client_hello& hello) -> certificate_ptr {
        const auto self = weak.lock();
        if (!self || self->destroyed)
            throw error{errc::stopped, "the manager is gone"};
        auto known = self->look_up(hello);
        if (known.name && !known.found && self->certificates.is_refused(*known.name)) {
            self->context.tell(event_type::refused, {*known.name});
            throw admission_desk::refusal(*known.name);
        }
        if (known.name && !self->is_current(known.found))
            self->obtain_later(std::move(*known.name));
        return known.found;
    };
}

void manager::impl::obtain_later(identifier name) {
    asio::post(strand, [self = shared_from_this(), name = std::move(name)] {
        if (!self->stopping && self->tasks.size() < self->options.waiters_max)
            self->tasks.spawn(self->certificates.obtain_in_background(name));
    });
}

void manager::impl::handshake_ended(const certificate_ptr& used, handshake_result how) noexcept {
    if (on_trial.ended(used, how) != trials::verdict::roll_back)
        return;
    try {
        asio::post(strand, [self = shared_from_this(), used] { self->shelf.roll_back(used); });
    } catch (const std::exception& e) {
        log(log_level::error, "a certificate that clients reject could not be taken back: {}", e.what());
    }
}

// State.

void manager::impl::hosts_changed() {
    if (hosts_posted.exchange(true))
        return;  // an application that calls in a loop fills no queue
    asio::post(strand, [self = shared_from_this()] {
        self->hosts_posted = false;
        self->plan.plan_hosts();  // what was not admitted when it was due may be now
        self->context.save_soon(std::string{hosts_key});
    });
}

void manager::impl::state_replaced(state_items saved) {
    shelf.publish_all();  // visible at once, also before the io_context runs
    asio::post(strand, [self = shared_from_this(), saved = std::move(saved)] {
        self->accounts.reload();
        self->certificates.memory_is_there();
        self->on_trial.clear();
        self->plan.plan_all();
        for (const auto& [key, value] : self->all.items())
            if (const auto at = saved.find(key); at == saved.end() || at->second != value)
                self->safe.mark_unsaved(key);
        self->tasks.spawn(self->safe.save_rest());
    });
}

void manager::impl::use_store(std::shared_ptr<store> opened) {
    asio::post(strand, [self = shared_from_this(), opened = std::move(opened)] { self->safe.use(opened); });
}

// Life.

manager::impl::background_work::background_work(impl& of) : of_{of} {
    ++of_.running;
    if (of_.background)
        return;
    // Each time a group of its own: the one before may still be winding down.
    of_.background = std::make_shared<task_group>(of_.strand, of_.report_failures());
    of_.background->keep_alive(of_.weak_from_this());
    of_.background->spawn(of_.certificates.load_all());
    of_.background->spawn(of_.renewals.act());
    of_.background->spawn(of_.renewals.replace());
    of_.background->spawn(of_.renewals.count_days());
    of_.background->spawn(of_.renewals.follow_clock());
    of_.background->spawn(of_.clock.watch());
    of_.background->spawn(of_.safe.keep_saving());
    of_.background->spawn(of_.safe.keep_saving_lazily());
    if (of_.options.renewal_info)
        of_.background->spawn(of_.renewals.poll());
}

manager::impl::background_work::~background_work() {
    if (const auto ending = leave())
        ending->cancel();
}

std::shared_ptr<task_group> manager::impl::background_work::leave() {
    if (std::exchange(left_, true) || --of_.running > 0)
        return nullptr;
    return std::exchange(of_.background, nullptr);
}

task_group::failure_callback manager::impl::report_failures() const {
    return [log = log](std::exception_ptr thrown) {
        log(log_level::error, "work in the background failed: {}", describe(thrown).text);
    };
}

asio::awaitable<void> manager::impl::wait_stopped() {
    while (!stopping)
        co_await changed.wait();
}

asio::awaitable<void> manager::impl::run() {
    background_work work{*this};
    auto ended = co_await as_outcome(wait_stopped());
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await wind_down(work);
    ended.get();
}

asio::awaitable<void> manager::impl::wind_down(background_work& mine) {
    if (const auto ending = mine.leave()) {
        ending->cancel();
        co_await ending->join();
    }
    if (!stopping)
        co_return;
    co_await tasks.join();
    // By value: what a store throws at the end must not hide why we end.
    auto work = within(*options.clock, options.last_save_timeout, "saving the state", safe.save_rest());
    const auto saved = co_await as_outcome(std::move(work));
    if (saved.thrown)
        log(log_level::error, "the state could not be saved at the end: {}", describe(saved.thrown).text);
}

void manager::impl::stop() {
    if (stopping.exchange(true))
        return;
    asio::post(strand, [self = shared_from_this()] {
        self->watch.close();
        self->events.close();
        self->tasks.close();
        if (self->background)
            self->background->cancel();
        self->changed.notify_all();
    });
}

}  // namespace evercert
