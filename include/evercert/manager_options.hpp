#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/acme/client.hpp>
#include <evercert/ca_limits.hpp>
#include <evercert/clock.hpp>
#include <evercert/disk.hpp>
#include <evercert/failure_class.hpp>
#include <evercert/http_client_options.hpp>
#include <evercert/identifier.hpp>
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

/// At most so many in any span of this length.
struct ceiling {
    int count = 0;  ///< 0 = no limit
    std::chrono::milliseconds window = {};
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
    /// The keys of certificates, in the order of preference; of RSA keys one length. With more than one, such as P-256 and RSA
    /// 2048, a name has a certificate with each, and a client gets the first that its ClientHello says it can use. Each is
    /// obtained by an order of its own when the first client needs it, and renewed on its own; to the CA's limits they are
    /// certificates for the same names. A certificate whose kind of key is not in here serves until its end, and the first
    /// kind renews it.
    std::vector<key_type> key_types = {key_type::ec_p256};
    key_type account_key = key_type::ec_p256;

    server_options server = {};
    /// Where accounts and certificates are kept, such as `file_store("/var/lib/evercert")`. None: in memory, until
    /// `cache_file()`.
    std::shared_ptr<evercert::store> store = {};
    log_options log = {};

    /// Decides on names that no host list has, on demand: true admits. Asked once a name, and not on every handshake: yes
    /// stays as long as there is a certificate or the memory of a failure, no for `refusal_memory`; both survive a
    /// restart, and `manager::forget_failures()` ends them. In the run that asked, a yes stays for `refusal_memory` too, whatever
    /// came of it: the limits may hold the order up. What it throws refuses the client now and is not remembered.
    /// Called on the manager's strand, several at once; ended after `admission_timeout`.
    ///
    /// It must look the name up in what the application knows (its table of customers' domains). To admit
    /// everything is to hand the CA account to anybody: whoever points a wildcard record at this server, or only sends
    /// made-up names to it, has it order certificates without end, until the CA's limits are used up and the names
    /// that matter get none. 259 domains became 16,954 certificates in a case that was reported.
    std::function<asio::awaitable<bool>(identifier)> admission = {};
    std::chrono::milliseconds admission_timeout = std::chrono::seconds{10};
    std::chrono::seconds refusal_memory = std::chrono::hours{1};

    /// Orders to the CA: the seed's limit, which stays far below what CAs allow an account. A failed attempt pays, too.
    /// It suffices for 86,000 certificates of 90 days, or 4,300 of 6 days: raise it for more, as far as the CA lets you.
    rate orders = {std::chrono::minutes{1}, 20};
    /// Names that no host list admits: 8 a day keep a server that anybody can point names at below
    /// 300 failures a month. Renewals and listed names are exempt.
    rate new_hosts = {std::chrono::hours{3}, 20};
    /// Whatever the buckets have: CAs see more than that as an attack.
    ceiling order_ceiling = {10, std::chrono::seconds{10}};
    /// Questions for the CA's suggested time of renewal (RFC 9773): 18,000 an hour, enough for 100,000 certificates that
    /// are asked for every 6 hours, as Let's Encrypt wants it.
    rate renewal_info_polls = {std::chrono::milliseconds{200}, 50};
    /// What the CA allows. None: `known_limits(directory_url)`.
    std::optional<ca_limits> limits = {};

    /// Clients that send no server name get what those get who ask for this one, unless the address that they connected to has a
    /// certificate, or the application one of its own for them (`own_certificate_options::for_no_name`).
    std::optional<identifier> default_name = {};
    /// While the first certificate for an admitted name is on its way, or cannot be obtained, clients get one at once that the
    /// manager signs itself, instead of waiting for `handshake_wait`. Good where clients do not look at certificates (load
    /// balancers and monitors that ask whether TLS answers at all, devices under one's own control that wait for a first boot).
    /// Bad for everything else: browsers and every client that verifies refuse it, some for good, where waiting for some
    /// seconds would have served them, and people learn to click warnings away. It is neither saved nor renewed, is never in
    /// `find()` and `status()`, and goes as soon as there is a real one.
    bool self_signed_meanwhile = false;

    /// The files of `manager::add_certificate_files()` are looked at this often, while `run()` or `serve()` does; from 1 s.
    std::chrono::milliseconds certificate_files_interval = std::chrono::minutes{1};
    /// Certificates of the application's own.
    std::size_t own_certificates_max = 10'000;

    /// How long a handshake waits for a certificate that is being obtained: browsers give up after 30 s or more. Where there
    /// is an expired one, which is better than none, the wait counts from when the first client began it: while a CA hangs, the
    /// others get the expired one at once.
    std::chrono::milliseconds handshake_wait = std::chrono::seconds{30};
    /// Handshakes and `cert()` calls that wait for one name, and for all names; so many names are worked on at most, those
    /// included whose clients have left. Renewals have room of their own.
    std::size_t waiters_per_name_max = 1'000;
    std::size_t waiters_max = 10'000;
    /// Orders in progress at once: more gains nothing against the CAs that there are.
    std::size_t orders_in_progress_max = 32;
    /// Each half of an order, to what can be finalized and from there to the certificate, whatever the CA does; and the look for
    /// one that was left unfinished.
    std::chrono::milliseconds order_timeout = std::chrono::minutes{15};
    /// When to try again after a failure.
    retry_options retry = {};
    /// Failures, refusals and admissions that are remembered; beyond it the one that ends first is forgotten.
    std::size_t failures_remembered_max = 10'000;

    /// Ask the CA that issued a certificate when to renew it (RFC 9773), if it can tell, and say in the order which one it
    /// replaces, if the same CA takes that.
    bool renewal_info = true;
    /// A certificate that could not be renewed is served after its end, and removed this much later.
    std::chrono::seconds expired_kept = std::chrono::days{30};
    /// So many clients that reject a new certificate, before any accepts it, bring the one before back. A restart ends that
    /// trial: what the store has then is served.
    int rejections_max = 10;
    /// Certificates that are kept parsed, about 7 kB each; the others are kept as DER, 1 kB, and parsed at use.
    std::size_t parsed_certificates_max = 10'000;
    /// How far the wall clock may be from the CA's `Date` and behind the state's last write.
    std::chrono::seconds clock_tolerance = std::chrono::minutes{10};
    /// While the clock is doubted, the CA is asked for its `Date` this often.
    std::chrono::seconds clock_check_interval = std::chrono::minutes{10};
    /// Events that a listener of `events()` may leave waiting.
    std::size_t events_waiting_max = 1'000;

    /// One load or save of the store, and the release of a lock: a store that hangs must not hang the manager. It has to be one
    /// that can be cancelled: a disk that hangs within a call, such as a dead network mount, holds up `cache_file()` and
    /// `file_store()` until the call returns.
    std::chrono::milliseconds store_timeout = std::chrono::seconds{30};
    /// How long a lock is waited for that another process holds, which works on the same certificate: `errc::store_failed` then,
    /// and it is tried again later. An order takes seconds, and up to `order_timeout` twice if the CA is slow.
    std::chrono::milliseconds lock_wait = std::chrono::minutes{5};
    /// How long `stop()` waits for a store that is slow to take what is not saved yet, with the same exception.
    std::chrono::milliseconds last_save_timeout = std::chrono::seconds{1};

    std::shared_ptr<evercert::clock> clock = system_clock();
    std::shared_ptr<evercert::network> network = system_network();
    /// Where `cache_file()` keeps its file, and where those of `add_certificate_files()` are; a store that is given has its own.
    std::shared_ptr<evercert::disk> disk = system_disk();
    /// What the draws that spread renewals and retries begin with. None: something that nobody knows; a simulation gives
    /// one, to see the same twice.
    std::optional<std::uint64_t> seed = {};
    /// For work that blocks (file I/O, RSA keys). None = one thread of the manager's own, started at first use.
    asio::any_io_executor blocking_executor = {};
};

}  // namespace evercert
