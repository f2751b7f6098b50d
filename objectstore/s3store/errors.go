package s3store

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// explain turns what minio-go returned into one of the store's errors: nil, a definite answer, a terminal
// error that says what to do, the scope's end, or a transient error.
func (s *Store) explain(sc *host.Scope, l *later, op objectstore.Op, key string, err error) error {
	if err == nil {
		return nil
	}
	if end := sc.Err(); end != nil {
		return fmt.Errorf("%s %s in %s: %w: %w", op, key, s.Name(), end, err)
	}
	if objectstore.Definite(err) {
		return fmt.Errorf("%s %s in %s: %w", op, key, s.Name(), err)
	}
	resp := minio.ToErrorResponse(err)
	if answer := answerOf(op, resp); answer != nil {
		return fmt.Errorf("%s %s in %s: %w", op, key, s.Name(), answer)
	}
	err = fmt.Errorf("%s %s in %s: %w", op, key, s.Name(), describe(resp, err))
	advice := s.advice(resp, err)
	switch {
	case advice == "" && l.after.Load() > 0:
		return objectstore.RetryAfter(err, time.Duration(l.after.Load()))
	case advice == "":
		return err
	case denied(resp):
		return objectstore.Denied(fmt.Errorf("%w; %s", err, advice))
	}
	return objectstore.Terminal(fmt.Errorf("%w; %s", err, advice))
}

// denied tells whether who asked was refused, which passes when keys are rotated or a policy is corrected.
func denied(resp minio.ErrorResponse) bool {
	return resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden
}

// describe adds the server's code to its text.
func describe(resp minio.ErrorResponse, err error) error {
	if resp.Code == "" {
		return err
	}
	return fmt.Errorf("%w (%s, status %d)", err, resp.Code, resp.StatusCode)
}

// answerOf returns the definite answer that resp is, nil if it is none.
func answerOf(op objectstore.Op, resp minio.ErrorResponse) error {
	put := op == objectstore.OpPut || op == objectstore.OpPutIfAbsent
	switch {
	case resp.Code == minio.NoSuchKey && !put:
		return objectstore.ErrNotFound
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return objectstore.ErrRange
	case resp.StatusCode == http.StatusPreconditionFailed && op == objectstore.OpPutIfAbsent:
		return objectstore.ErrExists
	}
	return nil
}

// advice tells what to do about an error that no retry mends, "" if a retry may.
func (s *Store) advice(resp minio.ErrorResponse, err error) string {
	switch resp.Code {
	case minio.NoSuchBucket:
		return "create the bucket or correct bucket and endpoint"
	case "InvalidAccessKeyId", "InvalidAccessKeyID", "SignatureDoesNotMatch", "InvalidToken", "InvalidTokenId",
		"XAdminUserNotFound": // the last is versitygw's
		return "correct access_key and secret_key"
	case "AuthorizationHeaderMalformed", "InvalidRegion", "PermanentRedirect",
		"IllegalLocationConstraintException":
		if s.region == "" && resp.Region != "" {
			return "" // the client has learnt the region from the answer and uses it from now on
		}
		return "correct region and endpoint"
	case "RequestTimeTooSkewed":
		return "" // mends itself when the clock does
	case "ExpiredToken", "ExpiredTokenException":
		return "" // credentials that come from a role are renewed
	case "InvalidBucketName", "InvalidArgument", "EntityTooLarge", "MethodNotAllowed":
		return "correct the configuration of the object store"
	case "NotImplemented", "APINotSupported":
		return "use an S3 server that knows conditional writes (If-None-Match)"
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return "allow these credentials to get, put, list and delete in the bucket"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the server speaks plain http, set insecure: true"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "add the authority of the server's certificate, or set http_config.insecure_skip_verify"
	}
	return ""
}
