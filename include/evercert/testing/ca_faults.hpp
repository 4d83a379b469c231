#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include <evercert/clock.hpp>

namespace evercert::testing {

class ca_core;

/// What goes wrong at the CA for as long as it is said, and what happens to it: `acme_server::faults()`. Each fault is
/// switched on and off at any time, and all of them together by `acme_server::recover()`; the network's faults are the
/// network's.
///
/// `resource`: as in `acme_server::count()`; "" = all. What is said of one comes before what is said of all.
/// Every nth: of the requests to what is named, whose signature and nonce are good; 1 = each, 0 = nothing is said of it any more. So the
/// same requests give the same answers. Throws `error` with `errc::invalid_options` for an `n` below 0 and for a resource
/// that there is not.
///
/// Threads: members may be called from any thread. Lifetime: that of the `acme_server`.
class ca_faults {
public:
    /// Every nth request is answered with this problem instead, as by `acme_server::fail_all()`, which is `n` = 1:
    /// 5xx, 429 with and without `retry_after` (seconds or an HTTP date, as it is sent), and problems of every type. The
    /// request has no effect. Throws `errc::invalid_options` also for a status that is not 400 to 599.
    void fail_every(
        int n, std::string_view resource, int status, std::string type, std::string detail = {},
        std::string retry_after = {});
    /// The answer to every nth request is lost: it takes its effect, then the connection closes without an answer. Of
    /// "finalize" the certificate is issued, of "newOrder" the order placed, of "newAccount" the account made. Refused
    /// requests count too.
    void lose_every(int n, std::string_view resource);
    /// Every nth validation ends with this problem, such as "connection", "dns", "unauthorized", "caa", whatever it found.
    void fail_validations(int n, std::string type, std::string detail = {});
    /// Orders that are finalized stay `processing` while this is on, and become invalid if it is still on when they expire. Their
    /// certificates are issued, and count against the limits, but cannot be read.
    void hang_orders(bool on);

    /// Renewal information is this body with 200, whatever it says; empty = as it is.
    void renewal_info_body(std::string body);
    /// Every window is said to be this much later, or earlier; 0 = as it is.
    void shift_renewal_windows(std::chrono::seconds by);
    /// Windows stay what they are while this is on, as behind a cache: that of a certificate is not moved when it is revoked or by
    /// `acme_server::renewal_window()` until this is off.
    void stale_renewal_info(bool on);
    /// As the option `renewal_info_retry_after`, from now on; empty = none; `recover()` leaves it.
    void renewal_info_retry_after(std::string value);

    // What has happened; `recover()` does not undo it.

    /// Every account is gone, as after a loss of the CA's data: accountDoesNotExist. Its certificates remain; who
    /// registers again gets another account, even with the same key.
    void forget_accounts();
    /// Revoke everything that has not expired. Its renewal windows are over. Returns how many there were.
    int revoke_all(std::string explanation_url = {});
    /// Certificates come from another root and intermediate from now on. `issuing_root_pem()` has the roots before, too.
    void replace_issuer();
    /// As the option of that name, for certificates that are issued from now on. Throws `error` with
    /// `errc::invalid_options` unless it is above 0.
    void lifetime(std::chrono::seconds);

    ca_faults(const ca_faults&) = delete;
    ca_faults& operator=(const ca_faults&) = delete;

private:
    friend class acme_server;
    ca_faults(std::mutex& mutex, ca_core& core, const clock& time) : mutex_{mutex}, core_{core}, time_{time} {}

    std::mutex& mutex_;
    ca_core& core_;
    const clock& time_;
};

}  // namespace evercert::testing
