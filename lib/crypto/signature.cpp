#include "crypto/signature.hpp"

#include "crypto/openssl.hpp"

namespace evercert {

namespace {

/// Of r and of s; 0 if the signature is not ECDSA's.
int half_size(key_type type) {
    switch (type) {
    case key_type::ec_p256: return 32;
    case key_type::ec_p384: return 48;
    default: return 0;
    }
}

}  // namespace

bytes to_jws_signature(key_type type, bytes_view native) {
    const int half = half_size(type);
    if (half == 0)
        return {native.begin(), native.end()};
    const auto pair = decode_der<ecdsa_sig_ptr>(d2i_ECDSA_SIG, native);
    if (!pair)
        throw openssl_error(errc::invalid_key, "the signature cannot be read");
    bytes side_by_side(2 * static_cast<std::size_t>(half));
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), side_by_side.data(), half);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), side_by_side.data() + half, half);
    return side_by_side;
}

bytes from_jws_signature(key_type type, bytes_view signature) {
    const int half = half_size(type);
    if (half == 0)
        return {signature.begin(), signature.end()};
    if (signature.size() != 2 * static_cast<std::size_t>(half))
        return {};
    bn_ptr r{BN_bin2bn(signature.data(), half, nullptr)};
    bn_ptr s{BN_bin2bn(signature.data() + half, half, nullptr)};
    const ecdsa_sig_ptr pair{ECDSA_SIG_new()};
    if (!r || !s || !pair || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1)
        return {};
    // ECDSA_SIG_set0 took both over.
    r.release();
    s.release();
    return encode_der(i2d_ECDSA_SIG, static_cast<const ECDSA_SIG*>(pair.get()));
}

}  // namespace evercert
