#include "manager/impl.hpp"

#include <algorithm>

#include <asio/post.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/strand.hpp"
#include "base/within.hpp"
#include "manager/check_options.hpp"

namespace evercert {
namespace {

manager_options checked(manager_options options) {
    check_options(options);
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
      strand{strand_of(given)},
      log{options.log},
      blocking{std::make_shared<worker>(options.blocking_executor)},
      watch{given},
      events{options.events_waiting_max},
      all{options.directory_url, bounds_of(options)},
      preferred{options.key_types},
      index{
          options.parsed_certificates_max,
          [this](const held_ptr& damaged, const error& why) { shelf.drop_damaged(damaged, why); }, preferred},
      http_01{std::make_shared<http_solver>()},
      tls_alpn_01{std::make_shared<tls_alpn_solver>(strand, options.clock)},
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
      own{context, index, blocking},
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
    const auto first = context.preferred();
    certificate_ptr known;
    if (names.size() == 1) {
        auto found = index.find(names.front(), preferred);
        if (found.own && is_current(found.certificate))
            co_return found.certificate;
        known = index.find(names.front(), preferred.of(first).managed()).certificate;
    } else if (const auto record = all.certificate(certificate_key(names, first))) {
        known = parsed_or_dropped(record->certificate);
    }
    if (!is_current(known))
        known = co_await certificates.obtain(names, first);
    obtain_others(names);
    co_return known;
}

void manager::impl::obtain_others(const std::vector<identifier>& names) {
    for (const auto type : options.key_types) {
        const auto kind = kind_of(type);
        const bool there = names.size() == 1 ? index.find_held(names.front(), preferred.of(kind).managed()) != nullptr
                                             : all.certificate(certificate_key(names, kind)).has_value();
        if (kind != context.preferred() && !there)
            obtain_later(names, kind);
    }
}

certificate_ptr manager::impl::parsed_or_dropped(const held_ptr& held) {
    try {
        return held->get();
    } catch (const error& e) {
        shelf.drop_damaged(held, e);
    }
    return nullptr;
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

void manager::impl::own_changed() {
    asio::post(strand, [self = shared_from_this()] { self->own.changed(); });
}

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
    of_.background->spawn(of_.own.watch());
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
