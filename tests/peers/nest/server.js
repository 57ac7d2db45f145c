// A NestJS application with the face of the dashboard: `node server.js express|fastify PORT`.
// What it does about calls is chosen by POST /control {"behaviour": "..."}; GET /control tells what it holds.
"use strict";

require("reflect-metadata");
const common = require("@nestjs/common");
const { NestFactory } = require("@nestjs/core");
const { ThrottlerModule, ThrottlerGuard } = require("@nestjs/throttler");
const { Type } = require("class-transformer");
const validator = require("class-validator");

const [platform, port] = process.argv.slice(2);
const stored = new Map();
const state = { behaviour: "usual", calls: 0, lost: 0 };

class Entry {}
for (const name of ["service_id", "request_id"]) {
  validator.IsString()(Entry.prototype, name);
  validator.IsNotEmpty()(Entry.prototype, name);
}
for (const name of ["opening_date", "last_modified_date"]) validator.IsISO8601()(Entry.prototype, name);
validator.IsInt()(Entry.prototype, "status_id");
validator.Max(20)(Entry.prototype, "status_id"); // stricter than the guide, so that class-validator has something to refuse

class Load {}
validator.IsArray()(Load.prototype, "requests");
validator.ValidateNested({ each: true })(Load.prototype, "requests");
Type(() => Entry)(Load.prototype, "requests");

const key = (entry) => JSON.stringify(entry);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

class LoadController {
  async load(body, response) {
    state.calls += 1;
    const entries = body.requests;
    const bad = entries.filter((entry) => entry.service_id === "666");
    const repeats = entries.filter((entry) => stored.has(key(entry)));
    switch (state.behaviour) {
      case "says 400 in a 201":
        return { code: 400, message: ["requests.0.service_id is unknown"] };
      case "not found":
        if (bad.length) throw new common.NotFoundException("Servicio 666 no encontrado");
        break;
      case "forbidden":
        if (bad.length) throw new common.ForbiddenException("Servicio 666 no permitido");
        break;
      case "fails":
        if (bad.length) throw new Error("boom");
        break;
      case "no content":
        this.end(response, 204);
        return undefined;
      case "unique":
        if (repeats.length) throw new common.ConflictException("La solicitud ya existe");
        break;
      case "fails on repeats":
        if (repeats.length) throw new Error("duplicate key");
        break;
      case "slow":
        await sleep(entries.length * 10);
        break;
      case "some":
        for (const entry of entries) if (entry.service_id !== "666") stored.set(key(entry), (stored.get(key(entry)) || 0) + 1);
        return {
          success: true,
          errors: entries.flatMap((entry, index) => (entry.service_id === "666" ? [{ index, message: "unknown service" }] : [])),
        };
    }
    for (const entry of entries) stored.set(key(entry), (stored.get(key(entry)) || 0) + 1);
    if (state.lost > 0) {
      state.lost -= 1;
      (response.raw || response).socket.destroy();
      return undefined;
    }
    if (state.behaviour === "echo") return { code: 201, success: true, message: "Datos cargados", data: entries };
    return { code: 201, success: true, message: `${entries.length} solicitudes recibidas` };
  }

  end(response, status) {
    if (response.raw) response.code(status);
    else response.status(status);
  }
}
common.Controller("api")(LoadController);
const method = Object.getOwnPropertyDescriptor(LoadController.prototype, "load");
Reflect.defineMetadata("design:paramtypes", [Load, Object], LoadController.prototype, "load");
common.Post("load")(LoadController.prototype, "load", method);
common.Body()(LoadController.prototype, "load", 0);
common.Res({ passthrough: true })(LoadController.prototype, "load", 1);
common.UseGuards(
  class extends ThrottlerGuard {
    async shouldSkip() {
      return state.behaviour !== "throttled";
    }
  },
)(LoadController.prototype, "load", method);

class ControlController {
  set(body) {
    const { clear, ...rest } = body;
    Object.assign(state, rest);
    if (clear) stored.clear();
    return state;
  }
  get() {
    return { ...state, rows: stored.size, most: Math.max(0, ...stored.values()) };
  }
}
common.Controller("control")(ControlController);
for (const [name, decorate] of [["set", common.Post()], ["get", common.Get()]]) {
  decorate(ControlController.prototype, name, Object.getOwnPropertyDescriptor(ControlController.prototype, name));
}
common.Body()(ControlController.prototype, "set", 0);

class App {}
common.Module({
  imports: [ThrottlerModule.forRoot([{ ttl: 3000, limit: 10 }])],
  controllers: [LoadController, ControlController],
})(App);

async function main() {
  const options = { logger: false, bodyParser: true };
  let app;
  if (platform === "fastify") {
    const { FastifyAdapter } = require("@nestjs/platform-fastify");
    app = await NestFactory.create(App, new FastifyAdapter({ bodyLimit: 10 * 1024 * 1024 }), options);
  } else {
    app = await NestFactory.create(App, options);
    app.useBodyParser("json", { limit: "10mb" });
  }
  app.useGlobalPipes(new common.ValidationPipe({ transform: true }));
  await app.listen(Number(port), "127.0.0.1");
  console.log("listening");
}

main();
