#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <evercert/clock.hpp>

namespace evercert {

/// A key that session tickets are encrypted and authenticated with (RFC 5077, section 4: AES-256-CBC, HMAC-SHA-256).
/// Whoever has it can read what was sent over every TLS 1.2 session that it resumes: keep it like a private key.
struct ticket_key {
    std::array<std::uint8_t, 16> name = {};  ///< by which a ticket says which key it needs; public
    std::array<std::uint8_t, 32> encryption = {};
    std::array<std::uint8_t, 32> authentication = {};
    /// Its permission: no session is resumed with it at this time or later, and no ticket under it says that it lives longer,
    /// nor than a day.
    wall_time until = {};
};

/// The keys of one moment, which never change: new tickets get the first; the others only open what was made with them, and
/// its client gets a new ticket.
using ticket_keys = std::vector<ticket_key>;

/// Where a server gets the keys of its session tickets from. The servers of a fleet that share them resume each other's
/// sessions, and one that restarts resumes those of before.
class ticket_key_source {
public:
    virtual ~ticket_key_source() = default;

    /// The keys of now; null or empty = no tickets now. Asked twice in a handshake, on its thread, on several at once if
    /// the io_context has them: must neither wait nor throw, and what it returns must not change.
    virtual std::shared_ptr<const ticket_keys> current() noexcept = 0;
};

struct rotating_ticket_keys_options {
    /// A new key as often; the one before then opens tickets only.
    std::chrono::seconds rotation = std::chrono::hours{12};
    /// Keys at once, the newest among them: a session can be resumed for `rotation * kept` after its key was made,
    /// but not for more than a day after its ticket was.
    std::size_t kept = 4;
    std::shared_ptr<evercert::clock> clock = system_clock();
};

/// Random keys of this process, rotated as time goes by. After a pause that is longer than every permission, or a step of
/// the clock, there are new ones: a key is made when one is asked for. Thread-safe.
class rotating_ticket_keys final : public ticket_key_source {
public:
    /// Throws `error` with `errc::invalid_options` if `rotation` or `kept` is 0, or both together are more than the 7 days
    /// that a ticket may live (RFC 8446, section 4.6.1).
    explicit rotating_ticket_keys(rotating_ticket_keys_options = {});
    ~rotating_ticket_keys() override;

    std::shared_ptr<const ticket_keys> current() noexcept override;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// Keys that come from elsewhere: a fleet's, which its leader sends around. Thread-safe.
class shared_ticket_keys final : public ticket_key_source {
public:
    shared_ticket_keys();
    ~shared_ticket_keys() override;

    /// From now on these, the first for new tickets. Throws `error` with `errc::invalid_options` if two have one name.
    void set(ticket_keys keys);
    std::shared_ptr<const ticket_keys> current() noexcept override;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace evercert
