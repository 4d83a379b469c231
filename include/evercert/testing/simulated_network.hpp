#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <asio/ip/address.hpp>

#include <evercert/clock.hpp>
#include <evercert/network.hpp>

namespace evercert::testing {

class simulated_clock;
class simulated_time;

/// How a network behaves, between machines: what one sends to itself arrives at once. All of it follows from the seed and
/// the simulated time: not from the number or size of writes, so that signatures that happen to be a byte longer change
/// nothing.
struct network_conditions {
    std::chrono::microseconds latency = {};  ///< one way; a connect takes two; 0 = what is written arrives at once
    std::chrono::microseconds jitter = {};   ///< up to so much more; never out of order
    /// Share of the moments in which what is sent is lost and arrives `retransmission` later, or twice that if it is lost
    /// again, and so on up to two minutes. 0 to 0.9.
    double loss = 0;
    std::chrono::microseconds retransmission = std::chrono::milliseconds{200};
    /// Share of the connections that are reset at some moment of their first `reset_within`.
    double resets = 0;
    std::chrono::microseconds reset_within = std::chrono::milliseconds{200};
    /// Bytes that one read gives at most; at least 1.
    std::size_t segment = 64 << 10;
};

/// What happens to those who connect across a cut.
enum class cut_type {
    silent,   ///< nothing arrives, as behind a firewall or a broken line: time-outs tell
    refused,  ///< the other side says so at once, as a machine whose server is down
};

/// A network in memory and in simulated time, with a name service: machines join it with an address, listen and connect.
/// TCP's promises hold on it (order, no loss, half close, resets), delays and failures are as `network_conditions` and the
/// cuts say.
///
/// A cut or a reset of an address that nobody has does nothing. What is switched on stays until it is switched off.
///
/// Thread-bound. Joined machines' networks and open connections keep it alive; when the `simulated_time` is gone, nothing
/// that is under way arrives any more.
class simulated_network : public std::enable_shared_from_this<simulated_network> {
public:
    /// How long a connect across a silent cut takes to fail, as with Linux's six SYNs.
    static constexpr duration connect_gives_up = std::chrono::seconds{127};
    /// Connections that wait for `accept()` at one listener; more are refused.
    static constexpr std::size_t backlog_max = 4096;

    /// `seed`: of jitter, loss and resets. `secured`: see `network::secured()`; false, and everything speaks TLS as on a real
    /// network.
    static std::shared_ptr<simulated_network> make(simulated_time&, std::uint64_t seed, bool secured = false);
    ~simulated_network();

    /// The network as the machine with these addresses sees it. Its first address is what others see it connect from.
    /// Loopback is the machine itself. Nothing reaches the machine while its clock is suspended. Throws `error` with
    /// `errc::invalid_options` if there is no address, or another machine has one.
    std::shared_ptr<network> join(std::vector<asio::ip::address> addresses, std::shared_ptr<simulated_clock>);

    /// What `host`, in lower case, resolves to for everybody from now on; nothing = it does not resolve. "*.example.com" is
    /// for all names directly below that have no entry of their own, "*" for all others. Resolving takes no time and is not cut.
    void name(std::string host, std::vector<asio::ip::address> addresses);

    /// From now on, for connections that there are too, but for `resets` and `segment`: those are a connection's from its
    /// beginning.
    void conditions(const network_conditions&);

    /// Cut a machine off from all others, or two from each other. Connections stand still until `heal()` with the same
    /// addresses, and what was sent arrives then. `refused` resets those that there are. Where two cuts overlap, both have to
    /// heal.
    void cut(asio::ip::address, cut_type = cut_type::silent);
    void cut(asio::ip::address, asio::ip::address, cut_type = cut_type::silent);
    void heal(asio::ip::address);
    void heal(asio::ip::address, asio::ip::address);
    /// Break all connections of this machine, as when it loses power: both sides get `connection_reset` at once. Listeners stay.
    void reset(asio::ip::address);

    /// Connections that were made since the beginning, and tries that came to nothing, whatever the reason.
    std::uint64_t connected() const noexcept;
    std::uint64_t failed() const noexcept;

private:
    struct core;
    class joined;
    class door;
    explicit simulated_network(std::unique_ptr<core>);

    std::unique_ptr<core> core_;
};

}  // namespace evercert::testing
