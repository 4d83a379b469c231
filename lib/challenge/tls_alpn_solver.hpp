#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <evercert/certificate.hpp>
#include <evercert/clock.hpp>

#include "challenge/solver.hpp"

namespace evercert {

/// tls-alpn-01 (RFC 8737): the certificates that the handshakes of validations get.
class tls_alpn_solver final : public solver {
public:
    explicit tls_alpn_solver(std::shared_ptr<clock> time) : clock_{std::move(time)} {}

    challenge_type type() const noexcept override { return challenge_type::tls_alpn_01; }
    asio::awaitable<void> present(challenge_answer) override;
    asio::awaitable<void> clean_up(challenge_answer) override;

    /// For the server name of a validation; null if none of it is in progress.
    certificate_ptr find(std::string_view server_name) const;

private:
    std::shared_ptr<clock> clock_;
    mutable std::mutex mutex_;
    /// By the server name that the CA sends. Two orders for one name may be in progress: the last one presented
    /// answers.
    std::multimap<std::string, std::pair<std::string, certificate_ptr>, std::less<>> by_name_;
};

}  // namespace evercert
