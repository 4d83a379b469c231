#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <evercert/certificate.hpp>
#include <evercert/clock.hpp>

#include "base/event.hpp"
#include "challenge/solver.hpp"

namespace evercert {

/// tls-alpn-01 (RFC 8737): the certificates that the handshakes of validations get. Such a handshake says the name and not the
/// order, so orders for one name take turns, as those for its P-256 and its RSA certificate. `present` and `clean_up`
/// run on one strand.
class tls_alpn_solver final : public solver {
public:
    tls_alpn_solver(asio::any_io_executor strand, std::shared_ptr<clock> time)
        : clock_{std::move(time)}, cleaned_up_{std::move(strand)} {}

    challenge_type type() const noexcept override { return challenge_type::tls_alpn_01; }
    asio::awaitable<void> present(challenge_answer) override;
    asio::awaitable<void> clean_up(challenge_answer) override;

    /// For the server name of a validation; null if none of it is in progress.
    certificate_ptr find(std::string_view server_name) const;

    /// CAs validate in seconds. Two orders for several names that each wait for one of the other's would wait for ever;
    /// afterwards the last one presented answers.
    static constexpr std::chrono::minutes turn_wait{1};

private:
    /// A CA may give two orders the same challenge.
    struct validation {
        std::string token;
        int orders = 0;  ///< that began to present it
        certificate_ptr certificate = nullptr;
    };

    bool is_taken(const challenge_answer&) const;
    asio::awaitable<void> wait_for_turn(challenge_answer);
    void begin(const challenge_answer&);
    asio::awaitable<void> answer_in_turn(challenge_answer);
    void answer_with(const challenge_answer&, certificate_ptr);

    std::shared_ptr<clock> clock_;
    event cleaned_up_;
    mutable std::mutex mutex_;
    /// By the identifier; the last that has a certificate answers.
    std::map<std::string, std::vector<validation>, std::less<>> by_name_;
};

}  // namespace evercert
