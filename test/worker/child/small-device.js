/**
 * A GPU with little memory: loaded into a compute child before anything else, it refuses every buffer of more than
 * SKEWFLOW_DRILL_BYTES. With such a buffer the driver is asked for the largest texture that its limits allow, which no memory
 * holds: the error is the driver's own.
 */
const most = Number(process.env['SKEWFLOW_DRILL_BYTES']);

// The classes of WebGPU become global when Dawn is loaded.
Object.defineProperty(globalThis, 'GPUDevice', {
  configurable: true,
  set: (value) => {
    Object.defineProperty(globalThis, 'GPUDevice', { configurable: true, writable: true, value });
    const { createBuffer } = Object.getOwnPropertyDescriptors(value.prototype);
    value.prototype.createBuffer = function (descriptor) {
      if (descriptor.size > most) {
        const { maxTextureDimension2D: edge, maxTextureArrayLayers: layers } = this.limits;
        const usage = globalThis.GPUTextureUsage.COPY_DST;
        this.createTexture({ size: [edge, edge, layers], format: 'rgba32float', usage });
      }
      return createBuffer.value.call(this, descriptor);
    };
  },
});
