#include "ledger/registered_domain.hpp"

#include <memory>

#include <asio/ip/address.hpp>
#include <asio/ip/network_v6.hpp>
#include <libpsl.h>

namespace evercert {
namespace {

/// The system's list if it is newer than the one that was built into libpsl. Null if there is neither.
const psl_ctx_t* suffixes() {
    static const std::unique_ptr<psl_ctx_t, void (*)(psl_ctx_t*)> list{psl_latest(nullptr), psl_free};
    return list.get();
}

std::string network_of(const std::string& address) {
    constexpr unsigned short counted_bits = 64;
    const auto parsed = asio::ip::make_address(address);
    if (parsed.is_v4())
        return address;
    return asio::ip::make_network_v6(parsed.to_v6(), counted_bits).canonical().to_string();
}

/// Without a list: as if every suffix had one label.
const char* last_two_labels(const std::string& name) {
    const auto last = name.rfind('.');
    const auto before = last == std::string::npos || last == 0 ? std::string::npos : name.rfind('.', last - 1);
    return name.c_str() + (before == std::string::npos ? 0 : before + 1);
}

}  // namespace

std::string registered_domain(const identifier& name) {
    if (name.type() == identifier::kind::ip)
        return network_of(name.value());
    const auto base = name.is_wildcard() ? name.value().substr(2) : name.value();
    const auto* list = suffixes();
    const auto* found = list ? psl_registrable_domain(list, base.c_str()) : last_two_labels(base);
    return found ? found : base;
}

}  // namespace evercert
