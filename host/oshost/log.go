package oshost

import (
	"context"
	"log/slog"

	"github.com/weirmq/weir/host"
)

// stamp is a slog.Handler that adds host time, machine and task to each record.
type stamp struct {
	h    *Host
	next slog.Handler
}

func newStamp(h *Host, next slog.Handler) slog.Handler {
	if h.cfg.Node != "" {
		next = next.WithAttrs([]slog.Attr{slog.String("machine", h.cfg.Node)})
	}
	return &stamp{h: h, next: next}
}

// Enabled implements slog.Handler.
func (s *stamp) Enabled(ctx context.Context, level slog.Level) bool {
	return s.next.Enabled(ctx, level)
}

// Handle implements slog.Handler. The record keeps its wall time for people; host time is what orders it
// among the machine's own events.
func (s *stamp) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	r.AddAttrs(slog.Int64("host_ns", int64(s.h.Now())))
	if sc, ok := ctx.(*host.Scope); ok && sc.TaskName() != "" {
		r.AddAttrs(slog.String("task", sc.TaskName()))
	}
	return s.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s *stamp) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &stamp{h: s.h, next: s.next.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (s *stamp) WithGroup(name string) slog.Handler {
	return &stamp{h: s.h, next: s.next.WithGroup(name)}
}
