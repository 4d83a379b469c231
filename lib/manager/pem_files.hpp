#pragma once

#include <memory>
#include <string>

#include <evercert/certificate.hpp>
#include <evercert/disk.hpp>

#include "manager/file_look.hpp"

namespace evercert {

/// Where a certificate of the application's own is.
struct certificate_paths {
    std::string chain;
    std::string key;  ///< may be the same

    bool operator==(const certificate_paths&) const = default;
};

/// What was in the files at one moment, or why they could not be read.
struct pem_content {
    std::string chain;
    std::string key;
    std::string problem;  ///< empty if they were read

    file_look::digest digest() const;
};

/// Blocks. Throws nothing but std::bad_alloc.
pem_content read_pem_files(disk&, const certificate_paths&);

/// A certificate and key that can serve for somebody. Throws as `manager::add_certificate` does. Whether it is valid now is not asked:
/// one that has ended is served all the same, and one that is not valid yet will be.
certificate_ptr parse_own(std::string_view chain_pem, std::string_view key_pem);
/// The same; errors name the files.
certificate_ptr parse_own(const pem_content&, const certificate_paths&);

}  // namespace evercert
