/* The calls that run for every message, compiled: for the same common case as harness/live/fast.py has them in
 * Python, with the same bytes in the message and in the record. All else goes to the slow calls.
 *
 * It knows nothing of libzmq: it calls pyzmq's own send and recv. It keeps to CPython's stable ABI, so that one file
 * does for every Python from 3.11 on. Why, and why optional: docs/decisions/0009-a-compiled-recorder.md.
 */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "stamps and records are little-endian"
#endif

/* As STAMP in harness/node.py, RECORD_DTYPE and Kind in harness/trace.py; fast.py compares before it uses this. */
typedef struct {
    uint64_t key; /* magic, sender, flow */
    int64_t seq, intended_ns, sent_ns;
} Stamp;

typedef struct {
    int64_t seq, time_ns, other_ns;
    uint64_t tail; /* size | aux << 32 */
    uint64_t head; /* kind | flag << 8 | flow << 16 | node << 32 | peer << 48 */
} Record;

enum { SENT = 2, REJECTED = 3 };

/* What a node lends to its calls and shares with the slow ones; then flow of the last send, and its numbers. */
#define REFERENCES(DO) \
    DO(end) DO(outlets) DO(heads) DO(message) DO(again) DO(zmq_send) DO(zmq_recv) DO(slow_send) DO(slow_recv) \
    DO(slow_sleep) DO(flow) DO(numbers)
#define DECLARE(name) PyObject *name;
#define FORGET(name) self->name = NULL;
#define KEEP(name) Py_XINCREF(self->name);
#define VISIT(name) Py_VISIT(self->name);
#define CLEAR(name) Py_CLEAR(self->name);

typedef struct {
    PyObject_HEAD
    REFERENCES(DECLARE)
    Py_buffer mapping;
    long long line_ns;
    int64_t seen_ns; /* when the last send was: what was due by then is due */
    uint64_t key, head; /* of that flow */
    uint64_t heard_key, heard_head; /* of the sender and flow last received of; the head is never 0 */
} Calls;

static PyObject *str_flow, *str_size_bytes, *str_intended_ns, *str_flags, *str_socket, *str_frames, *zero;

static int64_t now_ns(const Calls *self)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec - self->line_ns;
}

/* Where the next record goes; -1 when there is no room. */
static Py_ssize_t room(const Calls *self)
{
    Py_ssize_t offset = PyLong_AsSsize_t(PyList_GetItem(self->end, 0));
    return offset <= self->mapping.len - (Py_ssize_t)sizeof(Record) ? offset : -1;
}

/* The kind, in `head`, comes last: a record that has one is whole, whenever the process is killed. */
static int append(Calls *self, Py_ssize_t offset, int64_t seq, int64_t time_ns, int64_t other_ns, Py_ssize_t size,
                  uint64_t head)
{
    Record *record = (Record *)((char *)self->mapping.buf + offset);
    record->seq = seq;
    record->time_ns = time_ns;
    record->other_ns = other_ns;
    record->tail = (uint64_t)size;
    __atomic_store_n(&record->head, head, __ATOMIC_RELEASE);
    PyObject *end = PyLong_FromSsize_t(offset + (Py_ssize_t)sizeof(Record));
    return end ? PyList_SetItem(self->end, 0, end) : -1;
}

static PyObject *settle(Calls *self, Py_ssize_t offset, unsigned char kind)
{
    __atomic_store_n((unsigned char *)self->mapping.buf + offset + offsetof(Record, head), kind, __ATOMIC_RELEASE);
    return PyBool_FromLong(kind == SENT);
}

static int attribute(PyObject *object, const char *name, uint64_t *value)
{
    PyObject *found = PyObject_GetAttrString(object, name);
    if (found == NULL) return -1;
    *value = PyLong_AsUnsignedLongLongMask(found);
    Py_DECREF(found);
    return PyErr_Occurred() ? -1 : 0;
}

/* Remember what the outlet of that flow has: 1, or 0 when there is none of that name, or -1. */
static int take_up(Calls *self, PyObject *flow)
{
    if (flow == self->flow) return 1;
    PyObject *outlet = PyDict_GetItemWithError(self->outlets, flow);
    if (outlet == NULL) return PyErr_Occurred() ? -1 : 0;
    Py_CLEAR(self->flow);
    Py_CLEAR(self->numbers);
    self->numbers = PyObject_GetAttrString(outlet, "numbers");
    if (self->numbers == NULL) return -1;
    if (attribute(outlet, "key", &self->key) < 0 || attribute(outlet, "row_head", &self->head) < 0) return -1;
    self->flow = Py_NewRef(flow);
    return 1;
}

static PyObject *slow_send(Calls *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *positional = PyTuple_New(count), *named = PyDict_New(), *result = NULL;
    int whole = positional != NULL && named != NULL;
    for (Py_ssize_t i = 0; whole && i < count; i++) whole = PyTuple_SetItem(positional, i, Py_NewRef(args[i])) == 0;
    for (Py_ssize_t i = 0; whole && names && i < PyTuple_Size(names); i++)
        whole = PyDict_SetItem(named, PyTuple_GetItem(names, i), args[count + i]) == 0;
    if (whole) result = PyObject_Call(self->slow_send, positional, named);
    Py_XDECREF(positional);
    Py_XDECREF(named);
    return result;
}

/* send(socket, *, flow, size_bytes, intended_ns, answers, prefix, flags) of a node. */
static PyObject *calls_send(Calls *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *flow = NULL, *intended = Py_None, *flags = zero;
    Py_ssize_t size = sizeof(Stamp), more = names ? PyTuple_Size(names) : 0, offset = room(self);
    int64_t intended_ns = 0;
    int common = count == 1 && offset >= 0;
    for (Py_ssize_t i = 0; i < more; i++) {
        /* Names in code are interned. One that is not, and whatever is rare, the slow call reads. */
        PyObject *name = PyTuple_GetItem(names, i), *value = args[count + i];
        if (name == str_flow) flow = value;
        else if (name == str_intended_ns) intended = value;
        else if (name == str_flags) flags = value;
        else if (name == str_size_bytes && PyLong_Check(value)) size = PyLong_AsSsize_t(value);
        else common = 0;
    }
    if (intended != Py_None && PyLong_Check(intended)) intended_ns = PyLong_AsLongLong(intended);
    else common = common && intended == Py_None;
    if (PyErr_Occurred()) PyErr_Clear(), common = 0;
    if (!common || flow == NULL || size < (Py_ssize_t)sizeof(Stamp) || size > UINT32_MAX)
        return slow_send(self, args, count, names);
    int known = take_up(self, flow);
    if (known <= 0) return known ? NULL : slow_send(self, args, count, names);
    PyObject *number = PyIter_Next(self->numbers), *body = PyBytes_FromStringAndSize(NULL, size), *result = NULL;
    if (number == NULL || body == NULL) goto done;
    int64_t seq = PyLong_AsLongLong(number), sent_ns = self->seen_ns = now_ns(self);
    if (intended == Py_None) intended_ns = sent_ns;
    Stamp stamp = {self->key, seq, intended_ns, sent_ns};
    memcpy(PyBytes_AsString(body), &stamp, sizeof stamp);
    memset(PyBytes_AsString(body) + sizeof stamp, 0, (size_t)size - sizeof stamp);
    if (append(self, offset, seq, sent_ns, intended_ns, size, self->head) < 0) goto done;
    result = PyObject_CallFunctionObjArgs(self->zmq_send, args[0], body, flags, NULL);
    if (result != NULL) {
        Py_DECREF(result);
        result = settle(self, offset, SENT);
    } else if (PyErr_ExceptionMatches(self->again)) {
        PyErr_Clear();
        result = settle(self, offset, REJECTED);
    }
done:
    Py_XDECREF(number);
    Py_XDECREF(body);
    return result;
}

/* Have the head for the record of a message with that key: 1, or 0 when it is the first, or -1. */
static int recognise(Calls *self, uint64_t key)
{
    if (key == self->heard_key && self->heard_head) return 1;
    PyObject *number = PyLong_FromUnsignedLongLong(key);
    PyObject *found = number ? PyDict_GetItemWithError(self->heads, number) : NULL;
    Py_XDECREF(number);
    if (found == NULL) return PyErr_Occurred() ? -1 : 0;
    self->heard_key = key;
    self->heard_head = PyLong_AsUnsignedLongLongMask(found);
    return 1;
}

/* recv(socket, flags=0) of a node. */
static PyObject *calls_recv(Calls *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *socket = count > 0 ? args[0] : NULL, *flags = count > 1 ? args[1] : zero;
    Py_ssize_t more = names ? PyTuple_Size(names) : 0, understood = 0;
    for (Py_ssize_t i = 0; i < more; i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        if (count == 0 && PyUnicode_Compare(name, str_socket) == 0) socket = args[i], understood++;
        else if (count < 2 && PyUnicode_Compare(name, str_flags) == 0) flags = args[count + i], understood++;
    }
    if (socket == NULL || count > 2 || understood < more)
        return PyErr_Format(PyExc_TypeError, "recv() takes a socket and flags");
    PyObject *body = PyObject_CallFunctionObjArgs(self->zmq_recv, socket, flags, NULL), *message = NULL;
    if (body == NULL) return NULL;
    Stamp stamp;
    char *data;
    Py_ssize_t size, offset = room(self);
    int known = 0;
    if (PyBytes_AsStringAndSize(body, &data, &size) < 0) goto done;
    if (size >= (Py_ssize_t)sizeof stamp && offset >= 0) {
        memcpy(&stamp, data, sizeof stamp);
        known = recognise(self, stamp.key);
    }
    if (known == 0) message = PyObject_CallFunctionObjArgs(self->slow_recv, socket, body, NULL);
    else if (known > 0 && append(self, offset, stamp.seq, now_ns(self), stamp.sent_ns, size, self->heard_head) == 0) {
        message = PyType_GenericAlloc((PyTypeObject *)self->message, 0);
        if (message && PyObject_SetAttr(message, str_frames, body) < 0) Py_CLEAR(message);
    }
done:
    Py_DECREF(body);
    return message;
}

/* sleep_until(time_ns) of a node: a time that a send has seen pass needs no look at the clock. */
static PyObject *calls_sleep_until(Calls *self, PyObject *time_ns)
{
    if (PyLong_Check(time_ns) && PyLong_AsLongLong(time_ns) <= self->seen_ns && !PyErr_Occurred()) Py_RETURN_NONE;
    PyErr_Clear();
    return PyObject_CallFunctionObjArgs(self->slow_sleep, time_ns, NULL);
}

static int calls_traverse(Calls *self, visitproc visit, void *arg)
{
    REFERENCES(VISIT)
    Py_VISIT(Py_TYPE((PyObject *)self));
    return 0;
}

static int calls_clear(Calls *self)
{
    REFERENCES(CLEAR)
    return 0;
}

static void calls_dealloc(Calls *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    calls_clear(self);
    PyBuffer_Release(&self->mapping);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* Arguments: see _fast.pyi. */
static PyObject *calls_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    Calls *self = (Calls *)PyType_GenericAlloc(type, 0);
    if (self == NULL) return NULL;
    if (!PyArg_ParseTuple(args, "w*LO!O!O!O!OOOOOO", &self->mapping, &self->line_ns, &PyList_Type, &self->end,
                          &PyDict_Type, &self->outlets, &PyDict_Type, &self->heads, &PyType_Type, &self->message,
                          &self->again, &self->zmq_send, &self->zmq_recv, &self->slow_send, &self->slow_recv,
                          &self->slow_sleep)) {
        REFERENCES(FORGET)
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    REFERENCES(KEEP)
    self->seen_ns = -self->line_ns;
    return (PyObject *)self;
}

static PyMethodDef methods[] = {
    {"send", (PyCFunction)(void (*)(void))calls_send, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"recv", (PyCFunction)(void (*)(void))calls_recv, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"sleep_until", (PyCFunction)calls_sleep_until, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, calls_new},     {Py_tp_dealloc, calls_dealloc}, {Py_tp_traverse, calls_traverse},
    {Py_tp_clear, calls_clear}, {Py_tp_methods, methods},       {0, NULL},
};
static PyType_Spec spec = {
    "harness.live._fast.Calls", sizeof(Calls), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots,
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "harness.live._fast", .m_size = -1};

PyMODINIT_FUNC PyInit__fast(void)
{
    str_flow = PyUnicode_InternFromString("flow");
    str_size_bytes = PyUnicode_InternFromString("size_bytes");
    str_intended_ns = PyUnicode_InternFromString("intended_ns");
    str_flags = PyUnicode_InternFromString("flags");
    str_socket = PyUnicode_InternFromString("socket");
    str_frames = PyUnicode_InternFromString("_frames");
    zero = PyLong_FromLong(0);
    PyObject *module = PyModule_Create(&definition), *type = PyType_FromSpec(&spec);
    PyObject *layout = Py_BuildValue("(nnnii)", sizeof(Stamp), sizeof(Record), offsetof(Record, head), SENT, REJECTED);
    if (module == NULL || PyErr_Occurred() || PyModule_AddObjectRef(module, "Calls", type) < 0 ||
        PyModule_AddObjectRef(module, "LAYOUT", layout) < 0 || PyModule_AddStringConstant(module, "SOURCE", SOURCE) < 0)
        Py_CLEAR(module);
    Py_XDECREF(type);
    Py_XDECREF(layout);
    return module;
}
