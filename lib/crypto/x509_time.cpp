#include "crypto/x509_time.hpp"

#include <fmt/chrono.h>

namespace evercert {

wall_time to_wall_time(const ASN1_TIME* time) {
    std::tm tm{};
    if (ASN1_TIME_to_tm(time, &tm) != 1)
        throw openssl_error(errc::invalid_certificate, "a date in the certificate is not a date");
    using namespace std::chrono;
    const sys_days day = year_month_day{
        year{tm.tm_year + 1900}, month{static_cast<unsigned>(tm.tm_mon + 1)},
        std::chrono::day{static_cast<unsigned>(tm.tm_mday)}};
    const sys_seconds at = day + hours{tm.tm_hour} + minutes{tm.tm_min} + seconds{tm.tm_sec};
    if (at >= ceil<seconds>(wall_time::max()))
        return wall_time::max();
    if (at <= floor<seconds>(wall_time::min()))
        return wall_time::min();
    return at;
}

asn1_time_ptr to_asn1_time(wall_time time) {
    asn1_time_ptr result{ASN1_TIME_adj(nullptr, to_time_t(time), 0, 0)};
    if (!result)
        throw openssl_error(errc::invalid_certificate, "cannot encode a date");
    return result;
}

std::time_t to_time_t(wall_time time) {
    return static_cast<std::time_t>(std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count());
}

std::string to_text(wall_time time) { return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(to_time_t(time))); }

}  // namespace evercert
