package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// validity of everything issued here: the cluster is meant to be thrown away long before.
const validity = 10 * 365 * 24 * time.Hour

// authority signs certificates and writes them into a folder.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         crypto.Signer
}

// identity is who a certificate speaks for, and the names it may serve under.
type identity struct {
	user, group string
	hosts       []string
}

// writePKI writes every key, certificate and kubeconfig of one cluster into a folder.
func writePKI(arguments []string) error {
	flags := flag.NewFlagSet("pki", flag.ExitOnError)
	dir := flags.String("dir", "", "folder to write to")
	name := flags.String("name", "", "name of the cluster, of its node and of the kubeconfig's context")
	nodeIP := flags.String("node-ip", "", "address of the node, where the API server listens")
	serviceIP := flags.String("service-ip", "", "first address of the service range")
	if err := flags.Parse(arguments); err != nil {
		return err
	}

	ca, err := newAuthority(*dir, "ca")
	if err != nil {
		return err
	}
	frontProxy, err := newAuthority(*dir, "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(*dir, "service-account.key")); err != nil {
		return err
	}
	apiNames := []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost", "127.0.0.1", *serviceIP, *nodeIP,
	}
	certificates := []struct {
		file string
		by   *authority
		identity
	}{
		{"apiserver", ca, identity{user: "kube-apiserver", hosts: apiNames}},
		{"apiserver-kubelet-client", ca, identity{user: "kube-apiserver-kubelet-client", group: "system:masters"}},
		{"front-proxy-client", frontProxy, identity{user: "front-proxy-client"}},
		{"kubelet-server", ca, identity{user: "system:node:" + *name, group: "system:nodes", hosts: []string{*name, *nodeIP}}},
	}
	for _, c := range certificates {
		if _, _, err := c.by.issue(c.file, c.identity); err != nil {
			return err
		}
	}
	clients := map[string]identity{
		"admin":                   {user: "kubernetes-admin", group: "system:masters"},
		"kube-controller-manager": {user: "system:kube-controller-manager"},
		"kube-scheduler":          {user: "system:kube-scheduler"},
		"kube-proxy":              {user: "system:kube-proxy"},
		"coredns":                 {user: "system:coredns"},
		"kubelet":                 {user: "system:node:" + *name, group: "system:nodes"},
	}
	for file, who := range clients {
		if err := ca.writeKubeconfig(file, *name, "https://"+net.JoinHostPort(*nodeIP, "6443"), who); err != nil {
			return err
		}
	}
	return nil
}

func newAuthority(dir, name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificateTemplate(identity{user: name})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	encoded := encode("CERTIFICATE", der)
	return &authority{dir, certificate, key}, os.WriteFile(filepath.Join(dir, name+".crt"), encoded, 0o644)
}

// issue signs a certificate for an identity and writes it with its key.
func (a *authority) issue(file string, who identity) (certificate, key []byte, err error) {
	path := filepath.Join(a.dir, file)
	if err := writeKey(path + ".key"); err != nil {
		return nil, nil, err
	}
	key, err = os.ReadFile(path + ".key")
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(key)
	private, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, certificateTemplate(who), a.certificate, private.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	certificate = encode("CERTIFICATE", der)
	return certificate, key, os.WriteFile(path+".crt", certificate, 0o644)
}

func (a *authority) writeKubeconfig(file, cluster, server string, who identity) error {
	certificate, key, err := a.issue(file, who)
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[cluster] = &clientcmdapi.Cluster{
		Server:                   server,
		CertificateAuthorityData: encode("CERTIFICATE", a.certificate.Raw),
	}
	config.AuthInfos[who.user] = &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
	config.Contexts[cluster] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: who.user}
	config.CurrentContext = cluster
	return clientcmd.WriteToFile(*config, filepath.Join(a.dir, file+".kubeconfig"))
}

func certificateTemplate(who identity) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	check(err)
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: who.user},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if who.group != "" {
		template.Subject.Organization = []string{who.group}
	}
	for _, host := range who.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

func writeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, encode("EC PRIVATE KEY", der), 0o600)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
