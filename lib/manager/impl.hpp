#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/manager.hpp>
#include <evercert/mux.hpp>
#include <evercert/ssl_handshake.hpp>

#include "base/event.hpp"
#include "base/log.hpp"
#include "base/outcome.hpp"
#include "base/spawn.hpp"
#include "base/task_group.hpp"
#include "base/worker.hpp"
#include "challenge/http_solver.hpp"
#include "challenge/tls_alpn_solver.hpp"
#include "lookup/certificate_index.hpp"
#include "manager/account_keeper.hpp"
#include "manager/certificate_keeper.hpp"
#include "manager/certificate_shelf.hpp"
#include "manager/clock_guard.hpp"
#include "manager/context.hpp"
#include "manager/event_bus.hpp"
#include "manager/order_desk.hpp"
#include "manager/order_limits.hpp"
#include "manager/own_certificates.hpp"
#include "manager/renewal_plan.hpp"
#include "manager/renewer.hpp"
#include "manager/self_signer.hpp"
#include "manager/state.hpp"
#include "manager/trial.hpp"
#include "manager/vault.hpp"

namespace evercert {

class http_server;

/// The addresses that are listened on. Thread-safe.
class endpoints {
public:
    std::vector<endpoint> get() const {
        const std::lock_guard lock{mutex_};
        return list_;
    }
    void set(std::vector<endpoint> list) {
        const std::lock_guard lock{mutex_};
        list_ = std::move(list);
    }

private:
    mutable std::mutex mutex_;
    std::vector<endpoint> list_;
};

/// The parts and their wiring. Coroutines that work on a part keep all of it alive: see `enter` and
/// `task_group::keep_alive`.
struct manager::impl final : certificate_source, std::enable_shared_from_this<manager::impl> {
    impl(asio::any_io_executor, manager_options);
    /// What needs a shared pointer to itself.
    void start();

    /// Run `work`, which one of the members below made, on the strand; `errc::stopped` if the manager is or gets
    /// stopped.
    template <typename T>
    static asio::awaitable<T> enter(std::shared_ptr<impl> self, asio::awaitable<T> work) {
        self->check_running();
        auto result = co_await as_outcome(run_on(self->strand, if_running(self, std::move(work))));
        if (result.thrown)
            self->rethrow(result.thrown);
        co_return result.get();
    }

    /// Once more on the strand: what begins after stop() was carried out there would not be cancelled by it.
    template <typename T>
    static asio::awaitable<T> if_running(std::shared_ptr<impl> self, asio::awaitable<T> work) {
        self->check_running();
        co_return co_await std::move(work);
    }

    // Certificates. On the strand:
    asio::awaitable<certificate_ptr> obtain(std::vector<identifier> names);
    certificate_ptr parsed_or_dropped(const held_ptr&);
    void obtain_others(const std::vector<identifier>& names);

    // From any thread:
    asio::awaitable<certificate_ptr> get_certificate(client_hello) override;
    void handshake_ended(const certificate_ptr&, handshake_result) noexcept override;

    // From any thread, without waiting: steps 1 to 3 of a handshake. Without `found` it is a miss of `name`.
    struct looked_up {
        certificate_ptr found;
        bool own = false;                ///< the application's
        std::optional<identifier> name;  ///< that the client asked for
        std::optional<key_kind> wanted;  ///< that is obtained for this client, if it can use any that is
        bool takes_self_signed = false;
    };
    looked_up look_up(const client_hello&);
    looked_up look_up_nameless(const client_hello&, const certificate_choice&);
    looked_up look_up_name(identifier, const certificate_choice&);
    /// How long the client waits for a better certificate.
    duration patience(const looked_up&) const;
    /// A better one than what was found for a client like this is obtained in the background.
    void improve(const looked_up&);
    void refuse_known(const looked_up&);
    bool is_current(const certificate_ptr&) const;
    context_lookup lookup_for_context();
    void obtain_later(std::vector<identifier> names, key_kind);
    void own_changed();

    // State. From any thread:
    void hosts_changed();
    /// The state was replaced; `saved` is what the store has of it already.
    void state_replaced(state_items saved);
    void use_store(std::shared_ptr<store>);

    // What goes on. From any thread:
    issue_answer can_issue(const std::vector<identifier>& names) const;
    void forget_failures(const identifier& name);
    manager_status status() const;
    std::optional<certificate_status> status(const identifier& name) const;
    certificate_status without_certificate(const std::string& key, const std::vector<identifier>& names) const;

    // Life. On the strand:
    asio::awaitable<void> run();
    asio::awaitable<void> serve(bool with_http);
    asio::awaitable<void> listening();
    void listen(http_server&, bool with_http);
    /// What the plain port answers, on the connection's strand.
    asio::awaitable<response> answer_http(request) const;
    asio::awaitable<void> stop_server(http_server&);
    asio::awaitable<void> wait_stopped();
    /// What a run() or serve() does last, cancelled or not.
    class background_work;
    asio::awaitable<void> wind_down(background_work&);
    // From any thread:
    std::optional<response> answer_validation(const request&) const;
    void handle_http(std::string_view pattern, handler);
    void check_handlers_open(const char* what) const;
    void stop();
    void check_running() const;
    task_group::failure_callback report_failures() const;
    [[noreturn]] void rethrow(std::exception_ptr) const;

    /// Held by each run() and serve(): the first starts the background work, the last ends it.
    class background_work {
    public:
        explicit background_work(impl&);
        ~background_work();
        background_work(const background_work&) = delete;
        /// The group to end, for the last one who leaves.
        std::shared_ptr<task_group> leave();

    private:
        impl& of_;
        bool left_ = false;
    };

    /// Let's Encrypt's limit.
    static constexpr std::size_t names_max = 100;

    const manager_options options;
    const asio::any_io_executor executor;
    const asio::any_io_executor strand;
    const logger log;
    const std::shared_ptr<worker> blocking;
    watch_channel watch;
    event_bus events;
    state all;
    const certificate_choice preferred;
    certificate_index index;
    self_signer signer;
    const std::shared_ptr<http_solver> http_01;
    const std::shared_ptr<tls_alpn_solver> tls_alpn_01;
    evercert::mux mux;
    std::optional<evercert::mux> http_mux;  ///< if there is anything but the redirect

    task_group tasks;                        ///< flights and what they leave behind
    std::shared_ptr<task_group> background;  ///< renewal and saving, while somebody runs
    vault safe;
    seeded draws;
    const manager_context context;
    account_keeper accounts;
    clock_guard clock;
    order_limits limits;
    renewal_plan plan;
    trials on_trial;
    certificate_shelf shelf;
    own_certificates own;
    order_desk orders;
    certificate_keeper certificates;
    renewer renewals;

    std::atomic<bool> stopping = false;
    std::atomic<bool> destroyed = false;     ///< the manager is gone; what it left behind comes to its end
    std::atomic<bool> hosts_posted = false;  ///< the strand will look at the host list
    event changed;                           ///< notified when `stopping` or the endpoints change
    int running = 0;
    endpoints http, https;
};

}  // namespace evercert
