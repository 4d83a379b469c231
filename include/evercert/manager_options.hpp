#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <evercert/acme/client.hpp>
#include <evercert/clock.hpp>
#include <evercert/http_client_options.hpp>
#include <evercert/key.hpp>
#include <evercert/log.hpp>
#include <evercert/network.hpp>
#include <evercert/server_options.hpp>
#include <evercert/store.hpp>

namespace evercert {

/// A bucket of tokens: one token for each act, `burst` at most, one more every `interval`.
struct rate {
    std::chrono::milliseconds interval = {};  ///< 0 = no limit
    int burst = 1;
};

/// The ways of proof that evercert knows; their texts are "tls-alpn-01" (RFC 8737) and "http-01" (RFC 8555,
/// section 8.3).
enum class challenge_type { tls_alpn_01, http_01 };

/// What a manager is told once, when it is made.
struct manager_options {
    /// The contact of the account. Empty = the account is anonymous, which Let's Encrypt allows.
    std::string email = {};
    /// Gets the URL of the CA's terms of service; true agrees. None = agree. Called on the manager's strand: must
    /// not block.
    std::function<bool(std::string_view terms_url)> terms_prompt = {};

    std::string directory_url = std::string{acme::lets_encrypt};
    http_client_options http = {};
    /// Bounds for nonces and polls; its URL, clock, network, http and log are taken from here.
    acme::client_options acme_limits = {};

    /// In the order of preference; the CA's offer decides, and if one fails the next is tried.
    std::vector<challenge_type> challenges = {challenge_type::tls_alpn_01, challenge_type::http_01};
    key_type certificate_key = key_type::ec_p256;
    key_type account_key = key_type::ec_p256;

    server_options server = {};
    /// Where accounts and certificates are kept, such as `file_store("/var/lib/evercert")`. None: in memory, until
    /// `cache_file()`.
    std::shared_ptr<evercert::store> store = {};
    log_options log = {};

    /// Orders to the CA: the seed's limit, which stays far below what CAs allow an account.
    rate orders = {std::chrono::minutes{1}, 20};
    /// Names that no host list admits: 8 a day keep a server that anybody can point names at below
    /// 300 failures a month. Renewals and listed names are exempt.
    rate new_hosts = {std::chrono::hours{3}, 20};

    /// How long a handshake waits for a certificate that is being obtained: browsers give up after 30 s or more.
    std::chrono::milliseconds handshake_wait = std::chrono::seconds{30};
    /// Handshakes and `cert()` calls that wait for one name, and for all names.
    std::size_t waiters_per_name_max = 1'000;
    std::size_t waiters_max = 10'000;
    /// Orders in progress at once: more gains nothing against the CAs that there are.
    std::size_t orders_in_progress_max = 32;
    /// One order from newOrder to the certificate, whatever the CA does.
    std::chrono::milliseconds order_timeout = std::chrono::minutes{15};
    /// After a failed renewal; doubled by each further failure up to `retry_max`.
    std::chrono::milliseconds retry_first = std::chrono::minutes{1};
    std::chrono::milliseconds retry_max = std::chrono::hours{24};
    /// A name whose certificate could not be obtained is refused without asking the CA for this long, or as long
    /// as the CA's `Retry-After` says.
    std::chrono::milliseconds failure_memory = std::chrono::minutes{1};
    /// Each further failure doubles that, up to here: 5 failed validations of a name an hour are Let's Encrypt's limit.
    std::chrono::milliseconds failure_memory_max = std::chrono::hours{1};
    /// Beyond it the one that ends first is forgotten.
    std::size_t failures_remembered_max = 10'000;

    /// One load or save of the store, and the release of a lock: a store that hangs must not hang the manager.
    std::chrono::milliseconds store_timeout = std::chrono::seconds{30};
    /// How long `stop()` waits for a store that is slow to take what is not saved yet.
    std::chrono::milliseconds last_save_timeout = std::chrono::seconds{1};

    std::shared_ptr<evercert::clock> clock = system_clock();
    std::shared_ptr<evercert::network> network = system_network();
    /// For work that blocks (file I/O, RSA keys). None = one thread of the manager's own, started at first use.
    asio::any_io_executor blocking_executor = {};
};

}  // namespace evercert
