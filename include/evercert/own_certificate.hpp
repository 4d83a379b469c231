#pragma once

namespace evercert {

/// How a certificate of the application's own serves.
struct own_certificate_options {
    /// Also for clients that send no server name, unless the address that they connected to has a certificate. Without this a certificate
    /// needs a name that clients can ask for: a DNS name of two labels or more, or an IP address.
    bool for_no_name = false;
};

}  // namespace evercert
