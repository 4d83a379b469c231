#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <asio/ip/address.hpp>

#include <evercert/connection_limits.hpp>

namespace evercert {

/// What is counted of a client as one: an IPv4 address, or the first 64 bits of an IPv6 address.
std::uint64_t client_key(const asio::ip::address&) noexcept;

/// Counts connections, and the handshakes among them, in all and by client. Thread-safe.
class connection_counter : public std::enable_shared_from_this<connection_counter> {
public:
    /// 0 = no limit, but for the connections in all.
    connection_counter(const connection_limits&, std::size_t handshakes_per_address_max);

    enum class refusal { full, too_many_of_client, too_many_handshakes_of_client };

    struct client {
        std::size_t connections = 0;
        std::size_t handshakes = 0;
    };

    /// A connection that is counted until this ends.
    class permit {
    public:
        permit() = default;
        permit(permit&& other) noexcept { swap(other); }
        permit& operator=(permit&& other) noexcept {
            swap(other);
            return *this;
        }
        ~permit() { release(); }

        /// It goes on as a connection alone.
        void handshake_done() noexcept;
        void release() noexcept;

    private:
        friend class connection_counter;
        void swap(permit& other) noexcept {
            std::swap(of_, other.of_);
            std::swap(client_, other.client_);
            std::swap(in_handshake_, other.in_handshake_);
        }

        std::shared_ptr<connection_counter> of_;
        std::pair<const std::uint64_t, client>* client_ = nullptr;
        bool in_handshake_ = false;
    };

    /// A connection of this client with or without a handshake before it; or why there is none.
    std::optional<permit> enter(const asio::ip::address&, bool in_handshake, refusal& why);

    std::size_t connections() const noexcept;
    /// Clients that are counted now.
    std::size_t clients() const noexcept;

private:
    const connection_limits limits_;
    const std::size_t handshakes_per_address_max_;
    mutable std::mutex mutex_;
    std::size_t connections_ = 0;
    std::unordered_map<std::uint64_t, client> clients_;
};

const char* to_text(connection_counter::refusal) noexcept;

}  // namespace evercert
