#include "base/connection_counter.hpp"

#include "base/socket.hpp"

namespace evercert {

std::uint64_t client_key(const asio::ip::address& shown) noexcept {
    const auto address = plain_address(shown);
    if (address.is_v4())
        // Among IPv6 multicast, where no client is.
        return 0xffff'ffff'0000'0000 | address.to_v4().to_uint();
    const auto bytes = address.to_v6().to_bytes();
    std::uint64_t prefix = 0;
    for (std::size_t i = 0; i < sizeof prefix; ++i)
        prefix = prefix << 8 | bytes[i];
    return prefix;
}

connection_counter::connection_counter(const connection_limits& limits, std::size_t handshakes_per_address_max)
    : limits_{limits}, handshakes_per_address_max_{handshakes_per_address_max} {}

std::optional<connection_counter::permit> connection_counter::enter(
    const asio::ip::address& address, bool in_handshake, refusal& why) {
    const auto over = [](std::size_t count, std::size_t limit) { return limit > 0 && count >= limit; };
    const std::lock_guard lock{mutex_};
    if (connections_ >= limits_.connections_max) {
        why = refusal::full;
        return {};
    }
    auto& entry = *clients_.try_emplace(client_key(address)).first;
    const bool many = over(entry.second.connections, limits_.connections_per_address_max);
    if (many || (in_handshake && over(entry.second.handshakes, handshakes_per_address_max_))) {
        why = many ? refusal::too_many_of_client : refusal::too_many_handshakes_of_client;
        return {};
    }
    ++connections_;
    ++entry.second.connections;
    entry.second.handshakes += in_handshake ? 1 : 0;
    std::optional<permit> given{std::in_place};
    given->of_ = shared_from_this();
    given->client_ = &entry;
    given->in_handshake_ = in_handshake;
    return given;
}

void connection_counter::permit::handshake_done() noexcept {
    if (!of_ || !std::exchange(in_handshake_, false))
        return;
    const std::lock_guard lock{of_->mutex_};
    --client_->second.handshakes;
}

void connection_counter::permit::release() noexcept {
    const auto of = std::exchange(of_, nullptr);
    if (!of)
        return;
    const std::lock_guard lock{of->mutex_};
    --of->connections_;
    client_->second.handshakes -= std::exchange(in_handshake_, false) ? 1 : 0;
    if (--client_->second.connections == 0)
        of->clients_.erase(client_->first);
}

std::size_t connection_counter::connections() const noexcept {
    const std::lock_guard lock{mutex_};
    return connections_;
}

std::size_t connection_counter::clients() const noexcept {
    const std::lock_guard lock{mutex_};
    return clients_.size();
}

const char* to_text(connection_counter::refusal why) noexcept {
    switch (why) {
    case connection_counter::refusal::full: return "the server has connections_max open";
    case connection_counter::refusal::too_many_of_client: return "its address has connections_per_address_max open";
    case connection_counter::refusal::too_many_handshakes_of_client:
        return "its address has as many handshakes in progress as one may have";
    }
    return "";
}

}  // namespace evercert
