// An HTTPS server with CertMagic, to compare with: it listens at once and obtains the certificates of all names at
// once, without the limiter that would let ten pass in ten seconds.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/acme"
	"go.uber.org/zap"
)

// Obtained at once in an empty folder, each certificate registers an account, and one may find another's file half
// written, or with a key that is not its account's. So several names get one account that is made before.
func makeAccount(issuer *certmagic.ACMEIssuer) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: issuer.TrustedRoots}}
	client := acme.Client{Directory: issuer.CA, HTTPClient: &http.Client{Transport: transport}}
	account := acme.Account{
		Contact:              []string{"mailto:" + issuer.Email},
		TermsOfServiceAgreed: true,
		PrivateKey:           key,
	}
	if _, err = client.NewAccount(context.Background(), account); err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	_, err = issuer.GetAccount(context.Background(), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	return err
}

func main() {
	directory := flag.String("directory", "", "the ACME directory of the CA")
	caFile := flag.String("ca-file", "", "the root of the CA's own HTTPS")
	address := flag.String("address", "", "where to serve HTTPS")
	cache := flag.String("cache", "", "the folder for certificates")
	hosts := flag.String("hosts", "", "names, by commas")
	flag.Parse()

	root, err := os.ReadFile(*caFile)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	host, text, err := net.SplitHostPort(*address)
	if err != nil {
		log.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		log.Fatal(err)
	}

	certmagic.RateLimitEvents, certmagic.RateLimitEventsWindow = 0, 0
	certmagic.Default.Logger = zap.NewNop()
	certmagic.Default.Storage = &certmagic.FileStorage{Path: *cache}
	certmagic.DefaultACME.Logger = zap.NewNop()
	certmagic.DefaultACME.CA = *directory
	certmagic.DefaultACME.TrustedRoots = roots
	certmagic.DefaultACME.Agreed = true
	certmagic.DefaultACME.Email = "bench@example.com"
	certmagic.DefaultACME.ListenHost = host
	certmagic.DefaultACME.AltTLSALPNPort = port
	certmagic.DefaultACME.DisableHTTPChallenge = true
	config := certmagic.NewDefault()
	names := strings.Split(*hosts, ",")
	if len(names) > 1 {
		if err := makeAccount(config.Issuers[0].(*certmagic.ACMEIssuer)); err != nil {
			log.Fatal(err)
		}
	}

	settings := config.TLSConfig()
	settings.NextProtos = append([]string{"http/1.1"}, settings.NextProtos...)
	listener, err := tls.Listen("tcp", *address, settings)
	if err != nil {
		log.Fatal(err)
	}
	obtained := make(chan error)
	for _, name := range names {
		go func(name string) { obtained <- config.ManageSync(context.Background(), []string{name}) }(name)
	}
	go func() {
		for range names {
			if err := <-obtained; err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println("obtained", len(names))
	}()
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello from %s\n", r.TLS.ServerName)
	})))
}
