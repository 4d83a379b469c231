#pragma once

/// What Go's encoding/json makes of rsc.io/letsencrypt's state: an account, a host list with a host in upper case and one
/// that no certificate can be for, and two certificates from 2017-03-01 to 2017-05-30, with an EC and an RSA key.
inline constexpr const char* go_state_2017 = R"json({
	"Email": "ops@example.com",
	"Reg": {
		"body": {
			"resource": "new-reg",
			"id": 1234567,
			"key": null,
			"contact": [
				"mailto:ops@example.com"
			],
			"agreement": "https://letsencrypt.org/documents/LE-SA-v1.1.1-August-1-2016.pdf"
		},
		"uri": "https://acme-v01.api.letsencrypt.org/acme/reg/1234567",
		"new_authzr_uri": "https://acme-v01.api.letsencrypt.org/acme/new-authz",
		"terms_of_service": "https://letsencrypt.org/documents/LE-SA-v1.1.1-August-1-2016.pdf"
	},
	"Key": "-----BEGIN EC PRIVATE KEY-----\nMIGkAgEBBDBV59X+exck77dSReWRHNjUJyZw+kCePUdNHBEf86D1GP66iMDKS6oG\n14vJk1sYXjGgBwYFK4EEACKhZANiAARBz6j8Shlnao2iYQ6ZTp26gJec9XxmZueS\nazrmRRfFTByElb+LcQJe9By2ZTXGlGsmVM6XV8F1J2YFs48QfihON6UfQNaprJkI\nPltLkqXARRz+Yd5GCw3vE1ON6ZCzuv4=\n-----END EC PRIVATE KEY-----\n",
	"Hosts": [
		"example.com",
		"WWW.Example.com",
		"localhost"
	],
	"Certs": {
		"example.com": {
			"Cert": "-----BEGIN CERTIFICATE-----\nMIIBgTCCASigAwIBAgICA+kwCgYIKoZIzj0EAwIwHDEaMBgGA1UEAxMRRmFrZSBB\ndXRob3JpdHkgWDMwHhcNMTcwMzAxMDAwMDAwWhcNMTcwNTMwMDAwMDAwWjAWMRQw\nEgYDVQQDEwtleGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFt2\nDFQCakYo17guOu8Vkp1ZBoLR2qlIsRvBmmwVIwz2po0rBGIsgB15fdq69+e/QyDA\nFQ9lH+kMUcq1sccI9eqjYDBeMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAKBggr\nBgEFBQcDATAfBgNVHSMEGDAWgBSlfxlcPl2uj2eNlWrE0ky4n32bgDAWBgNVHREE\nDzANggtleGFtcGxlLmNvbTAKBggqhkjOPQQDAgNHADBEAiALZpZqK5Bsr0/Yksl5\nkt7/RMiivhqgU5pU88ZgxkszJQIgfTZZgI4kdo66friT2hb4iPqLmnOx88gkG6gw\nHckwkOo=\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMIIBaTCCAQ+gAwIBAgIBATAKBggqhkjOPQQDAjAcMRowGAYDVQQDExFGYWtlIEF1\ndGhvcml0eSBYMzAeFw0xNjAzMDEwMDAwMDBaFw0yMjAzMDEwMDAwMDBaMBwxGjAY\nBgNVBAMTEUZha2UgQXV0aG9yaXR5IFgzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\nQgAE6eZQ24qZHfAOmlg6cHRuPeFo+gPTkLwE8pvQf+kdhrSc9CJI2kAbi1HwI5Jg\nbat2VvZDR07P8ev+YPOCpV5kNKNCMEAwDgYDVR0PAQH/BAQDAgIEMA8GA1UdEwEB\n/wQFMAMBAf8wHQYDVR0OBBYEFKV/GVw+Xa6PZ42VasTSTLiffZuAMAoGCCqGSM49\nBAMCA0gAMEUCIEiXdfA4/qLwBA7tnGe9ynlroz8w/3idNORTKKcjaE0LAiEAnKYK\n442DOPrAcp9z3DQH3PXK6nnxbYM87vaIf4qt09E=\n-----END CERTIFICATE-----\n",
			"Key": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkLVqST9N4mHM1gscIHkUKMszI77JIzKSgLSNMLQkH7oAoGCCqGSM49\nAwEHoUQDQgAEW3YMVAJqRijXuC467xWSnVkGgtHaqUixG8GabBUjDPamjSsEYiyA\nHXl92rr3579DIMAVD2Uf6QxRyrWxxwj16g==\n-----END EC PRIVATE KEY-----\n"
		},
		"www.example.com": {
			"Cert": "-----BEGIN CERTIFICATE-----\nMIICVjCCAfugAwIBAgICA+owCgYIKoZIzj0EAwIwHDEaMBgGA1UEAxMRRmFrZSBB\ndXRob3JpdHkgWDMwHhcNMTcwMzAxMDAwMDAwWhcNMTcwNTMwMDAwMDAwWjAaMRgw\nFgYDVQQDEw93d3cuZXhhbXBsZS5jb20wggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAw\nggEKAoIBAQDQDFbHLpp25TVmzfTSYDIviEhwMsNoagF0fcNZEbSeIsNMF5m5/8Sr\nQ6jUpg+vjXJwKd2VcOCXje/xon9OT1sUsi7E6XyaDFjZThe7+clMA3eO0FW1wvsV\ngLsVcfCalOchMR+23ASVgzTdKnuvZXomWhIoWPa5wPutVuH8NgJMgT9eecH7Atky\nbZ3Y3viZ5fWCWgOgxRsYApCZ0Ypo7Avc/vyCfjJ2bVRG2p4Cw2KkVS7hddCkaliJ\naRef1sgCQsXC89+69NKWpaNIeNBt+bhqq2X/YWHW969bCxBIgRlpMr2GJq0dVdd5\nPi1W58F+ljySN6xc2fnegpORg0TXwkdfAgMBAAGjZDBiMA4GA1UdDwEB/wQEAwIH\ngDATBgNVHSUEDDAKBggrBgEFBQcDATAfBgNVHSMEGDAWgBSlfxlcPl2uj2eNlWrE\n0ky4n32bgDAaBgNVHREEEzARgg93d3cuZXhhbXBsZS5jb20wCgYIKoZIzj0EAwID\nSQAwRgIhAJtap0e6+ChxcWaABPe8E/+ty1j7qQS14shtjADXgX/EAiEAufSBBvRv\nj/V+dCVOzfvrzoaKHJaINrYFs/Y1hbvVIkk=\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMIIBaTCCAQ+gAwIBAgIBATAKBggqhkjOPQQDAjAcMRowGAYDVQQDExFGYWtlIEF1\ndGhvcml0eSBYMzAeFw0xNjAzMDEwMDAwMDBaFw0yMjAzMDEwMDAwMDBaMBwxGjAY\nBgNVBAMTEUZha2UgQXV0aG9yaXR5IFgzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\nQgAE6eZQ24qZHfAOmlg6cHRuPeFo+gPTkLwE8pvQf+kdhrSc9CJI2kAbi1HwI5Jg\nbat2VvZDR07P8ev+YPOCpV5kNKNCMEAwDgYDVR0PAQH/BAQDAgIEMA8GA1UdEwEB\n/wQFMAMBAf8wHQYDVR0OBBYEFKV/GVw+Xa6PZ42VasTSTLiffZuAMAoGCCqGSM49\nBAMCA0gAMEUCIEiXdfA4/qLwBA7tnGe9ynlroz8w/3idNORTKKcjaE0LAiEAnKYK\n442DOPrAcp9z3DQH3PXK6nnxbYM87vaIf4qt09E=\n-----END CERTIFICATE-----\n",
			"Key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEogIBAAKCAQEA0AxWxy6aduU1Zs300mAyL4hIcDLDaGoBdH3DWRG0niLDTBeZ\nuf/Eq0Oo1KYPr41ycCndlXDgl43v8aJ/Tk9bFLIuxOl8mgxY2U4Xu/nJTAN3jtBV\ntcL7FYC7FXHwmpTnITEfttwElYM03Sp7r2V6JloSKFj2ucD7rVbh/DYCTIE/XnnB\n+wLZMm2d2N74meX1gloDoMUbGAKQmdGKaOwL3P78gn4ydm1URtqeAsNipFUu4XXQ\npGpYiWkXn9bIAkLFwvPfuvTSlqWjSHjQbfm4aqtl/2Fh1vevWwsQSIEZaTK9hiat\nHVXXeT4tVufBfpY8kjesXNn53oKTkYNE18JHXwIDAQABAoIBAFvRBj8zbxIHyBCN\n1n093QgjMizqClk7Z1b85ciaSsb7eotLYxm2KhqXapwmiYelehrMLzFztnrMNlfC\nqkJqPT0eAgv/K3Fk/5UvpMPd0hvM7+fEQ/9KhLsRq/8j4Nan3nVEk8WExjUhyaPN\nyvY2Z7kjSR4rXP/PjoMKdAN15n/SQqqgccHCK/klFUkbvfvIGBWoZNjUhvEkyloS\nE2PrSl5+a2evfBs2YOaIWc9z3LdkmuQFfluA+kjbtzOJR+qLO4i5eqxihfGYfKMs\n3kE4yotWikjdF3AOW2rR6s9sQ6E6GulChV9J60O/+xiAFjT1s98qv2AUzxz7huEb\nKRW+XikCgYEA23istUS2EfekPU0OtWTLPYP1FI7bDwJCu22y2BvdvWB+pns3EN7E\nCxMa8Jg/IT0aw0m82TzHnd33UAFJgafJDrj1z15kOhSxIBmJd5094yFcO2n2x0RJ\nI1a8+eeh9SV6Lt3Fll4EDJX6XnK6IEgOTUGmRp6p408+LduQjEuRezsCgYEA8qzw\ny7nC5fv/G7fozkeqFv6hBz2FLqbADvZayE4KitW/qp4KFk0WKYQbBIDwd6Y38sUQ\nMMcQq5/SrlIZymnHFOe60ZT/ZAdK/o2DYKgZFNhJ+V43u+MdDG+Icib+ZPYtzCto\nLEih+DnYEvg5bkrTzIo6MRSZcN5/FxAvQrkI+i0CgYAbu0bPbMw4vvrgyBDYuNC5\niCf6ngZuAhIejsDvb634FO5L6PvPROauo45e4k3vzEHKdVHIfVaXywlJ8a+xE1tj\nYdmlhz7Q2/Z5oOBu3c6JGZkG5N/K1AUN0xLz3OHpEQA8Vcd2tZB7aqQFNSfxlklA\nV9BD0h6TW1r2/mxoXdAXKwKBgGxbej2NWZA1oChxSvtolnMkCSThfGljPZiwucJ8\nzkpFvQpi/OAOVZn+Cc5OAJF8X7j/8wXErRXlDD6YHDn8V09nVUylug+hDgRxjbsH\n9AMRvJ4jSsGTXHIkDwnhjW/pWHO04hP77o6WzXtS6NntgXrwMaGesBDs2FSk/mVN\nl8uVAoGAUK/LNI1KOkqMkmsMh0Kcfa6qSy+DDj8SQFmbFTnSsxOEE1uL7fgsO9Wq\n8n3LZCn8T97dOFe1y3yoniAvXiU5lxHTDwO3klGHadVKe6/NfdXMXmBzhcUaPllY\nuU9kgyVGfnOqMY1gnQ3lrx+E8CRDN4rHfSgFhnEuQFJBoxX2Ftk=\n-----END RSA PRIVATE KEY-----\n"
		}
	}
})json";
