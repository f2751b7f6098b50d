package stream

import "container/list"

// lru is a map bounded in bytes that drops what was used longest ago. The owner guards it.
type lru[K comparable, V any] struct {
	limit, size int64
	items       map[K]*list.Element
	order       *list.List // newest first
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
	size  int64
}

func newLRU[K comparable, V any](limit int64) *lru[K, V] {
	return &lru[K, V]{limit: limit, items: map[K]*list.Element{}, order: list.New()}
}

func (c *lru[K, V]) get(key K) (V, bool) {
	el, ok := c.items[key]
	if !ok {
		var zero V
		return zero, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*lruItem[K, V]).value, true
}

// put keeps value, unless it alone is larger than the limit.
func (c *lru[K, V]) put(key K, value V, size int64) {
	c.drop(key)
	if size > c.limit {
		return
	}
	c.items[key] = c.order.PushFront(&lruItem[K, V]{key, value, size})
	for c.size += size; c.size > c.limit; {
		c.drop(c.order.Back().Value.(*lruItem[K, V]).key)
	}
}

func (c *lru[K, V]) drop(key K) {
	if el, ok := c.items[key]; ok {
		c.size -= el.Value.(*lruItem[K, V]).size
		c.order.Remove(el)
		delete(c.items, key)
	}
}
