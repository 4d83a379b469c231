#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <evercert/certificate_source.hpp>

#include "manager/state.hpp"

namespace evercert {

/// A new certificate that was published over one that was still good.
struct trial {
    std::string key;            ///< of the record
    certificate_record before;  ///< what clients got until then
};

/// Certificates are on trial until the first client has accepted them: a CA's new intermediate, another key type or a
/// chain that some clients do not take shows in handshakes and nowhere else. Knows certificates by issuer and serial
/// number (RFC 5280, section 4.1.2.2), since the same one may be parsed more than once. Thread-safe.
class trials {
public:
    enum class verdict { none, passed, roll_back };

    /// `rejections_max`: so many rejections before any acceptance end a trial badly; 0 = nothing is on trial.
    explicit trials(int rejections_max) : rejections_max_{rejections_max} {}

    /// `fresh` was published over `before`. Ends the trial that `key` had.
    void begin(std::string key, const certificate_ptr& fresh, certificate_record before);

    /// A handshake with this certificate ended. The first that is established ends the trial: `passed`. The
    /// `rejections_max`th that the client rejects before that says `roll_back`, once; then the trial waits for `take`.
    verdict ended(const certificate_ptr& used, handshake_result) noexcept;

    /// End the trial of `fresh`; nothing if it was ended already.
    std::optional<trial> take(const certificate_ptr& fresh);
    /// The same by key, for a certificate that was removed or replaced from outside.
    void forget(std::string_view key);
    void clear();

    /// Costs one load: a server most of whose certificates are on no trial asks before anything else.
    bool empty() const noexcept { return size_.load(std::memory_order_relaxed) == 0; }
    std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

    /// Names that nobody visits stay on trial. One that began longest ago ends when there are more than this: 10,000
    /// records take about 10 MB.
    static constexpr std::size_t trials_max = 10'000;

private:
    struct entry {
        trial what;
        std::string serial;
        std::string issuer;
        int rejections = 0;
        bool decided = false;
    };
    using entries = std::list<entry>;  // in the order of their beginnings

    entries::iterator find(const certificate& used);
    void erase_key(std::string_view key);
    void erase(entries::iterator);

    const int rejections_max_;
    std::mutex mutex_;
    entries entries_;
    std::unordered_map<std::string_view, entries::iterator> by_serial_;
    std::unordered_map<std::string_view, entries::iterator> by_key_;
    std::atomic<std::size_t> size_ = 0;
};

}  // namespace evercert
