#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/certificate.hpp>
#include <evercert/certificate_source.hpp>
#include <evercert/events.hpp>
#include <evercert/http.hpp>
#include <evercert/identifier.hpp>
#include <evercert/manager_options.hpp>
#include <evercert/own_certificate.hpp>
#include <evercert/status.hpp>
#include <evercert/watch.hpp>

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace asio {
class io_context;
namespace ssl {
class context;
template <typename Stream>
class stream;
}  // namespace ssl
}  // namespace asio

namespace evercert {

/// Whether an order makes sense now, as far as the CA's limits go.
struct issue_answer {
    bool now = true;
    wall_time not_before = {};  ///< when it does, unless `now`
    std::string because;        ///< the limit that is used up, with the names it is about; empty if `now`
};

/// Obtains, renews and serves certificates inside the application's own io_context.
///
/// A manager without options works: it registers anonymously with Let's Encrypt at first need, agrees to the terms and
/// obtains a certificate for any name that a client asks for, within its limits. Call `set_hosts()`: a
/// server that obtains for any name lets anybody who points a name at it spend its limits.
///
/// *Threads*: the manager works on a strand of its own. Every member may be called from any thread, except
/// `handle()` and `handle_http()`, which must not be called after `serve()` began. Awaitables resume on the executor of the coroutine
/// that awaits them.
///
/// *Lifetime*: the io_context must outlive the manager. Destroying the manager stops it; coroutines that are
/// still inside it end with `errc::stopped`.
///
/// *Cancellation*: every awaitable can be cancelled (terminal). The caller leaves; work that others may be waiting
/// for, such as an order, goes on until `stop()`.
class manager final : public certificate_source {
public:
    /// Throws `error` with `errc::invalid_options`.
    explicit manager(asio::any_io_executor, manager_options = {});
    explicit manager(asio::io_context&, manager_options = {});
    ~manager();
    manager(const manager&) = delete;
    manager& operator=(const manager&) = delete;

    // Which names.

    /// Obtain certificates for these names only; an empty list admits none. They are not obtained
    /// before they are asked for: by a handshake, by `cert()`, or by `run()` when they are due for renewal.
    void set_hosts(std::vector<identifier> names);
    /// Obtain for any name that a client asks for: the state of a new manager.
    void allow_any_host();

    // The account.

    /// Create the account at the CA, or find the one that the key has. Throws `errc::already_registered` if the manager has
    /// an account in memory, `errc::terms_not_agreed` if the terms prompt refused; then nothing is changed. One that is in
    /// the store alone, as before `run()`, is loaded, and that is all.
    asio::awaitable<void> register_account(std::string email);
    /// True once the CA has the account and its terms are agreed.
    bool registered() const;

    // Certificates.

    /// The certificate for `name`: from memory, from the store, or obtained now. Waits for the limiters as long
    /// as it takes; cancel it to leave. Throws what the order threw; every caller that waited for it gets the
    /// same. Of several `manager_options::key_types` it is that of the first; those of the others are obtained in the background.
    asio::awaitable<certificate_ptr> cert(identifier name);
    /// One certificate for all of `names`, at most 100 (Let's Encrypt's limit), obtained now if memory and store
    /// have none.
    asio::awaitable<certificate_ptr> manage(std::vector<identifier> names);
    /// From memory: exact, then by wildcard; of either the application's own first, then by `manager_options::key_types`. Null if there
    /// is none. Never waits.
    certificate_ptr find(const identifier& name) const;

    /// The certificate for a TLS client. This is the way of a handshake, step by step:
    ///  1. `acme-tls/1` as the sole ALPN offer: the challenge certificate, or `errc::no_challenge`.
    ///  2. The server name is parsed; an IP address, a single label or anything that is not a name is refused
    ///     (`invalid_identifier`). None at all: the certificate that the local address has, else the application's own for such
    ///     clients, else `manager_options::default_name`, else `no_server_name`.
    ///  3. Memory, exact, then by wildcard; of either the application's own first, then by `manager_options::key_types`, and only
    ///     what the client can use: found, and the handshake goes on. Can it use neither what is there nor what may be obtained:
    ///     `tls_failed`. (With `manager_options::self_signed_meanwhile` a miss of an admitted name goes on without waiting.)
    ///  4. A miss: is the name admitted (`set_hosts()`, then `manager_options::admission`)? No: `name_not_allowed`.
    ///     Did it fail lately? Then what it failed with (`manager_options::retry`).
    ///  5. One flight per name: later callers join the first and share its outcome. Their number and time is bounded
    ///     (`too_many_waiters`, `timed_out`); a caller who leaves does not stop the flight.
    ///  6. The store is read; then read again under its lock, since another machine may have been faster.
    ///  7. The limiters, then the order: challenge, finalize, certificate.
    ///  8. The certificate is verified: key, names, chain, dates, and a handshake with it in memory.
    ///  9. It is saved, only then published in memory, and `watch()` is notified.
    /// 10. The handshake goes on.
    asio::awaitable<certificate_ptr> get_certificate(client_hello hello) override;
    void handshake_ended(const certificate_ptr&, handshake_result) noexcept override;

    /// Whether the CA's limits, as the ledger has them, let `names` be ordered now; room is kept for renewals. Orders and failed
    /// validations are counted for each account, all else for each directory; managers that share a store count for themselves.
    /// Throws `errc::invalid_options` if there are no names.
    issue_answer can_issue(const std::vector<identifier>& names) const;
    /// Forget what failed for `name` and for every set of names that it is in, and what `admission` said of it: the next handshake,
    /// `cert()`, `manage()` or renewal tries again at once. A CA's `Retry-After` is forgotten with it.
    void forget_failures(const identifier& name);

    // Certificates of the application's own, beside those that the manager obtains. Where both have a name, exactly or by wildcard,
    // the application's serves the clients that can use it, until it has ended; then it serves only where there is no other. It is
    // never ordered nor renewed, not part of `marshal()`, and `status()` shows it and events tell when it comes to its end.

    /// Serve this certificate for all its names: the end-entity certificate, then its issuers, as PEM, and its key. It replaces one of
    /// the application's own that was added in the same way for the same names with the same kind of key. Throws `error`: what
    /// `certificate` and `private_key` throw (`invalid_certificate`, `invalid_key`, `key_mismatch`), `chain_incomplete` as
    /// `verify_servable` does, `invalid_certificate` if no client can ask for any of its names, and `invalid_options` beyond
    /// `manager_options::own_certificates_max`. Then nothing is changed.
    void add_certificate(std::string_view chain_pem, std::string_view key_pem, own_certificate_options = {});
    /// The same from files, which may be one: reads them at once, and again while `run()` or `serve()` does, every
    /// `manager_options::certificate_files_interval`, on the worker. What has changed is taken if it is the same a second later,
    /// so that nothing half-written serves, without a restart. If it cannot be read, is damaged, or the key is another one's, what
    /// was read before stays, and an event `failed`, the log and `status()` say so. Throws as above, naming the file, and
    /// `errc::store_failed` if a file cannot be read. Blocks for as long as the disk does.
    void add_certificate_files(std::string chain_path, std::string key_path, own_certificate_options = {});
    /// Serve no longer those of the application's own that have `name` among their names; false if there are none.
    bool remove_certificate(const identifier& name);

    // Serving.

    /// Answer `pattern` (see `mux`) with `handler`. Throws `errc::invalid_options`.
    void handle(std::string_view pattern, handler);

    /// The same over plain HTTP, for what must not be redirected, such as a load balancer's health check: the handler can tell it
    /// by the empty `request::server_name`. http-01 validations are answered before it, whatever the pattern; what no
    /// pattern matches is redirected to HTTPS. Nobody vouches for what is sent or received here: keep cookies and forms out of it.
    void handle_http(std::string_view pattern, handler);

    /// Listen for HTTP and HTTPS as `manager_options::server` says: HTTP answers http-01 validations, then as `handle_http()`
    /// says, and redirects everything else; HTTPS serves the handlers. Does what `run()` does, too. Returns after `stop()`;
    /// throws `errc::listen_failed`, with the address and the reason, if a listener cannot be opened.
    /// Cancellation closes the listeners and the connections at once and throws `operation_aborted`; then it may be
    /// called again.
    asio::awaitable<void> serve();
    /// HTTPS alone, for applications that have their own server on port 80.
    asio::awaitable<void> serve_https();
    /// What port 80 answers unless `handle_http()` has more: an http-01 validation's key authorization, else a redirect to
    /// the same URL over HTTPS without a port, 302 for safe methods and 308 for others; 400 without a host.
    response redirect_http(const request&) const;

    /// The background work alone (renewal, cleaning, saving), for applications that accept connections themselves. Returns after
    /// `stop()`.
    asio::awaitable<void> run();

    /// Returns once `serve()` or `serve_https()` listens on all its addresses. Throws `errc::stopped`.
    asio::awaitable<void> listening();
    /// The addresses that `serve()` listens on, as bound: for ports that the system chose. Empty while it is not.
    std::vector<endpoint> http_endpoints() const;
    std::vector<endpoint> https_endpoints() const;

    /// End `serve()`, `run()` and everything in progress; they return once connections are closed, orders have
    /// ended and state is saved. Final: a stopped manager stays stopped.
    void stop();

    // TLS elsewhere.

    /// Make `context` ask this manager for certificates: sets its ClientHello and ALPN callbacks, which replace
    /// those that the application had set (whoever sets last wins), and its session id context. Name the
    /// application's protocols in `alpn_protocols`, in the server's order of preference; without them no ALPN is
    /// answered except for challenges. OpenSSL calls back on the thread that does the handshake, on any number of
    /// threads at once. A context may outlive the manager: its handshakes are refused then.
    ///
    /// A server of its own cannot be suspended: a name that is not in memory is refused and obtained in the background.
    void install(SSL_CTX* context, std::vector<std::string> alpn_protocols = {});
    /// Defined in `<evercert/asio_ssl.hpp>`.
    void install(asio::ssl::context& context, std::vector<std::string> alpn_protocols = {});

    /// The server's side of a TLS handshake on the application's own stream, whose context went through
    /// `install()` (else `errc::context_not_installed`): suspends until the certificate is there. True for a
    /// client; false for a tls-alpn-01 validation, which is answered inside: close the stream. Defined in
    /// `<evercert/asio_ssl.hpp>`.
    template <typename Next>
    asio::awaitable<bool> handshake(asio::ssl::stream<Next>& stream);

    // State.

    /// The whole state as text: account with its key, host list, certificates with their keys, limits. Keep it as
    /// secret as a key.
    std::string marshal() const;
    /// Replace the whole state in memory, and save the new one. What a store has besides stays there, and is used again when a
    /// client asks for it or at the next start: give the new state a store of its own. Also reads what Go's rsc.io/letsencrypt wrote: hosts and certificates carry over, its
    /// registration with a CA that is gone cannot. Throws `errc::state_damaged` with place and reason, or `state_version`; then
    /// nothing is changed.
    void unmarshal(std::string_view text);
    /// Load the state from this file, if it is there, and save it at every change: written beside, synced,
    /// renamed, mode 0600; the previous generation stays as `path` + ".previous". Call it before `serve()`. Reads
    /// at once: throws as `unmarshal()` does, naming the file, and `errc::store_failed` if it cannot be read or
    /// its folder not written. A damaged file is never overwritten.
    ///
    /// For one process and up to some 1,000 certificates: a change writes them all. With 3.5 kB for each (key, chain
    /// of two) on a virtual machine's ext4, a save took 1.5 ms at 100 certificates, 8 ms at 1,000 and 140 ms at 10,000
    /// (median of 15). Beyond that, and for several processes, see `manager_options::store` and `file_store()`, where
    /// it took 0.8 ms however many there were.
    void cache_file(std::string path);
    /// The channel that tells of changes: the same for every caller.
    watch_channel& watch();

    // What goes on, and why.

    /// A stream of what happens from now on, for this caller alone. Any number of listeners.
    event_stream events();
    /// Every certificate, those of the application among them, and every listed name: its state, last problem, next act and the
    /// reason. Costs a walk over all of them.
    manager_status status() const;
    /// The one that serves `name`, or would. Nothing if `name` is neither listed nor known.
    std::optional<certificate_status> status(const identifier& name) const;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace evercert
