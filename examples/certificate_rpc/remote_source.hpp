#pragma once

#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include <evercert/certificate_source.hpp>
#include <evercert/clock.hpp>
#include <evercert/http.hpp>
#include <evercert/identifier.hpp>

#include "message.hpp"

/// What certificates are asked for and kept by: a leader may have several for a name, and which one it gives depends on the
/// kinds of keys that the client can use.
struct wanted_certificate {
    evercert::identifier name;
    unsigned usable_keys = 0;
    friend auto operator<=>(const wanted_certificate&, const wanted_certificate&) = default;
};

/// A follower's certificates: those it has been given before, the leader's otherwise. It goes on serving what it has while
/// nobody leads. Belongs to one thread.
class remote_source final : public evercert::certificate_source {
public:
    remote_source(asio::any_io_executor executor, std::string leader_path)
        : executor_{std::move(executor)}, path_{std::move(leader_path)} {}

    asio::awaitable<evercert::certificate_ptr> get_certificate(evercert::client_hello hello) override;

    /// Tells the leader of the first client that takes a certificate, and of those before that do not.
    void handshake_ended(const evercert::certificate_ptr&, evercert::handshake_result) noexcept override;

    /// What to answer to a CA that asks for `target` on port 80.
    asio::awaitable<evercert::response> validation(std::string host, std::string target);

    /// Browsers give up about then.
    static constexpr std::chrono::seconds leader_patience{30};
    /// A certificate is taken for good until two thirds of its life are over: that is when leaders renew. A CA that has to
    /// revoke asks for more haste (RFC 9773), so at least this often the leader is asked whether it has another.
    static constexpr std::chrono::hours ask_again_at_least{6};
    /// And if it had none, or was away.
    static constexpr std::chrono::minutes ask_again_soon{10};
    /// More rejections of one certificate are not reported: a manager has decided long before.
    static constexpr int rejections_max = 100;
    static constexpr std::size_t certificates_max = 10'000;
    static constexpr std::size_t flights_max = 500;
    static constexpr std::size_t waiters_per_flight_max = 1'000;

private:
    struct entry {
        evercert::certificate_ptr certificate;
        evercert::wall_time ask_again;
    };
    /// A certificate that no client has taken yet.
    struct untried {
        wanted_certificate as;
        int rejections = 0;
    };
    /// One question to the leader and all that wait for its answer.
    struct flight {
        explicit flight(const asio::any_io_executor& executor)
            : landed{executor, asio::steady_timer::time_point::max()} {}
        asio::steady_timer landed;  ///< never expires: cancelled on landing
        bool done = false;
        std::size_t waiters = 0;
        evercert::certificate_ptr certificate;
        std::exception_ptr thrown;
    };

    std::shared_ptr<flight> join(const wanted_certificate&, const evercert::client_support&);
    static asio::awaitable<evercert::certificate_ptr> wait_for(std::shared_ptr<flight>);
    asio::awaitable<void> fly(wanted_certificate, evercert::client_support, std::shared_ptr<flight>);
    asio::awaitable<evercert::certificate_ptr> fetch(evercert::identifier name, evercert::client_support);
    asio::awaitable<message> call(message question);
    asio::awaitable<void> report(wanted_certificate as, std::string serial, evercert::handshake_result);
    void keep(const wanted_certificate&, const evercert::certificate_ptr&);
    void forget(std::map<wanted_certificate, entry>::iterator);
    void ask_at(const wanted_certificate&, evercert::wall_time);

    asio::any_io_executor executor_;
    std::string path_;
    std::shared_ptr<evercert::clock> clock_ = evercert::system_clock();
    std::map<wanted_certificate, entry> known_;
    std::map<evercert::certificate_ptr, untried> untried_;
    std::map<wanted_certificate, std::shared_ptr<flight>> flights_;
};
