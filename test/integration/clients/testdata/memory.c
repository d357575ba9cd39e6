/*
 * The Node-API addon that gives peer.js what Node lacks: a mapped file as an ArrayBuffer, and sched_yield. It holds no
 * atomic operation: those are JavaScript's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static napi_value fail(napi_env env, const char *what)
{
	char message[512];

	snprintf(message, sizeof(message), "%s: %s", what, strerror(errno));
	napi_throw_error(env, NULL, message);
	return NULL;
}

static void unmap(napi_env env, void *memory, void *size)
{
	(void)env;
	munmap(memory, (size_t)size);
}

/* map(path, size) maps a file shared, for reading and writing, and returns it as an ArrayBuffer. */
static napi_value map(napi_env env, napi_callback_info info)
{
	size_t count = 2, length;
	napi_value arguments[2], buffer;
	char path[4096];
	uint32_t size;
	void *memory;
	int descriptor;

	if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 2 ||
	    napi_get_value_string_utf8(env, arguments[0], path, sizeof(path), &length) != napi_ok ||
	    napi_get_value_uint32(env, arguments[1], &size) != napi_ok) {
		errno = EINVAL;
		return fail(env, "map takes a path and a size");
	}
	descriptor = open(path, O_RDWR | O_CLOEXEC);
	if (descriptor < 0)
		return fail(env, "open");
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	close(descriptor);
	if (memory == MAP_FAILED)
		return fail(env, "mmap");
	if (napi_create_external_arraybuffer(env, memory, size, unmap, (void *)(size_t)size, &buffer) != napi_ok) {
		munmap(memory, size);
		errno = ENOTSUP;
		return fail(env, "an ArrayBuffer over mapped memory");
	}
	return buffer;
}

static napi_value yield(napi_env env, napi_callback_info info)
{
	(void)env;
	(void)info;
	sched_yield();
	return NULL;
}

NAPI_MODULE_INIT()
{
	napi_property_descriptor functions[] = {
		{ "map", NULL, map, NULL, NULL, NULL, napi_enumerable, NULL },
		{ "yield", NULL, yield, NULL, NULL, NULL, napi_enumerable, NULL },
	};

	napi_define_properties(env, exports, 2, functions);
	return exports;
}
